//! DescribeUserScramCredentials: the users whose credentials the metadata log holds. Millstream makes
//! none before it has SASL, but a data directory of Kafka's may bring some.

use super::{Context, Head, Progress};
use crate::io::Pieces;
use crate::metadata::Image;
use crate::wire::{
    DecodeError, DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
    ErrorCode, ScramCredentialInfo, ScramUserResult,
};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: DescribeUserScramCredentialsRequest<'_> = head.decode(&frame)?;
    let known = credentials(context.image);
    let asked = request.users.unwrap_or_default();
    let (mut once, mut twice) = (BTreeSet::new(), BTreeSet::new());
    for user in &asked {
        if !once.insert(&*user.name) {
            twice.insert(&*user.name);
        }
    }
    let results = match asked.is_empty() {
        true => known
            .iter()
            .map(|(user, infos)| result(user, ErrorCode::NONE, None, infos.clone()))
            .collect(),
        false => once
            .iter()
            .map(|user| match known.get(user) {
                _ if twice.contains(user) => refused(
                    user,
                    ErrorCode::DUPLICATE_RESOURCE,
                    "Cannot describe SCRAM credentials for the same user twice in a single request",
                ),
                Some(infos) => result(user, ErrorCode::NONE, None, infos.clone()),
                None => refused(
                    user,
                    ErrorCode::RESOURCE_NOT_FOUND,
                    "Attempt to describe a user credential that does not exist",
                ),
            })
            .collect(),
    };
    let response = DescribeUserScramCredentialsResponse {
        results,
        ..Default::default()
    };
    Ok(head.reply(&response))
}

/// By user: mechanisms and iterations.
fn credentials(image: &Image) -> BTreeMap<&str, Vec<ScramCredentialInfo>> {
    let mut users: BTreeMap<&str, Vec<ScramCredentialInfo>> = BTreeMap::new();
    for ((mechanism, user), scram) in image.scram() {
        users.entry(user).or_default().push(ScramCredentialInfo {
            mechanism: *mechanism,
            iterations: scram.iterations,
        });
    }
    users
}

fn refused<'a>(user: &'a str, error: ErrorCode, why: &str) -> ScramUserResult<'a> {
    result(user, error, Some(format!("{why}: {user}")), Vec::new())
}

fn result(
    user: &str,
    error_code: ErrorCode,
    error_message: Option<String>,
    credential_infos: Vec<ScramCredentialInfo>,
) -> ScramUserResult<'_> {
    ScramUserResult {
        user: user.into(),
        error_code,
        error_message: error_message.map(Into::into),
        credential_infos,
    }
}
