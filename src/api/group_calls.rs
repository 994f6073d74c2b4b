//! What requests about groups share: each becomes calls, one for each of its groups, that are made one
//! after another of the coordinators' shards; the response is made of all replies.

use super::{Context, Head, Pending, Progress, internal_topics};
use crate::group::{Call, Reply};
use crate::shard::Ask;
use crate::types::Few;

/// A request that waits for coordinators.
pub struct GroupCalls {
    head: Head,
    /// What has not been asked.
    calls: <Few<Call> as IntoIterator>::IntoIter,
    /// One for each call that has been.
    replies: Few<Reply>,
    respond: Box<Respond>,
}

/// Makes the response of the replies, which are as many as the calls and in their order.
type Respond = dyn FnOnce(&Context<'_>, &Head, Few<Reply>) -> Progress + Send;

/// Makes the call, and the response of its reply.
pub(super) fn make_one(
    context: &mut Context<'_>,
    head: &Head,
    call: Call,
    respond: impl FnOnce(&Head, Reply) -> Progress + Send + 'static,
) -> Progress {
    make_all(context, head, [call], |_, head, mut replies| {
        respond(head, replies.pop().expect("a reply to the call"))
    })
}

/// Makes the calls, and the response of their replies.
pub(super) fn make_all(
    context: &mut Context<'_>,
    head: &Head,
    calls: impl IntoIterator<Item = Call>,
    respond: impl FnOnce(&Context<'_>, &Head, Few<Reply>) -> Progress + Send + 'static,
) -> Progress {
    let calls: Few<Call> = calls.into_iter().collect();
    let waiting = GroupCalls {
        head: *head,
        replies: Few::with_capacity(calls.len()),
        calls: calls.into_iter(),
        respond: Box::new(respond),
    };
    waiting.go_on(context)
}

impl GroupCalls {
    /// Takes the reply to the call that was made last.
    pub(super) fn answered(mut self, context: &mut Context<'_>, reply: Reply) -> Progress {
        self.replies.push(reply);
        self.go_on(context)
    }

    fn go_on(mut self, context: &mut Context<'_>) -> Progress {
        while let Some(call) = self.calls.next() {
            match internal_topics::coordinator(context, call.group()) {
                Ok((_, partition)) => {
                    let owner = context.owner(partition);
                    let call = Box::new(call);
                    let ask = Ask::Group { partition, call };
                    context.asks.asks.push((owner, ask));
                    return Progress::Wait(Pending::Groups(Box::new(self)));
                }
                Err(error) => self.replies.push(call.refuse(error)),
            }
        }
        (self.respond)(context, &self.head, self.replies)
    }
}
