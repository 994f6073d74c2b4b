//! ConsumerGroupDescribe.

use super::Consumer;
use crate::group::call::{ConsumerDescribed, ConsumerDescribedMember, DescribedTopic};
use crate::group::config::GroupConfig;
use crate::group::partitions::Partitions;
use crate::metadata::Image;
use crate::wire::ErrorCode;

impl Consumer {
    /// Tells everything. Partitions of topics that are gone are not told of.
    pub(in crate::group) fn describe(
        &self,
        image: &Image,
        config: &GroupConfig,
    ) -> ConsumerDescribed {
        let members = self.members.iter().map(|(id, member)| {
            let profile = &member.profile;
            let target = self.target.get(id);
            ConsumerDescribedMember {
                member: id.clone(),
                instance: profile.instance.clone(),
                rack: profile.rack.clone(),
                epoch: member.current.epoch,
                client_id: profile.client_id.clone(),
                client_host: profile.client_host.clone(),
                topics: profile.topics.iter().cloned().collect(),
                regex: profile.regex.clone().unwrap_or_else(|| "".into()),
                assigned: described(&member.current.assigned, image),
                target: target.map_or_else(Vec::new, |target| described(target, image)),
                is_classic: profile.classic.is_some(),
            }
        });
        ConsumerDescribed {
            error: ErrorCode::NONE,
            message: None,
            state: self.state(),
            epoch: self.epoch,
            assignment_epoch: self.target_epoch,
            assignor: self.assignor(config).name(),
            members: members.collect(),
        }
    }
}

fn described(partitions: &Partitions, image: &Image) -> Vec<DescribedTopic> {
    let topics = partitions.topics().filter_map(|(id, partitions)| {
        Some(DescribedTopic {
            id,
            name: image.topic_by_id(id)?.name.to_string(),
            partitions: partitions.to_vec(),
        })
    });
    topics.collect()
}
