//! DescribeUserScramCredentials (50): who can log in by SCRAM, and how (KIP-554). Never the keys.

use super::message::*;
use super::{ErrorCode, Str};

message! {
    /// Asks for users.
    DescribeUserScramCredentialsRequest<'a> key 50 versions [0] flexible [0+] {
        /// The users, null or empty for all.
        users:  Option<Vec<ScramUserName<'a>>>  [0+];
    }

    /// A user.
    struct ScramUserName<'a> {
        /// The name.
        name:  Str<'a>  [0+];
    }
}

message! {
    /// The users' credentials.
    DescribeUserScramCredentialsResponse<'a> key 50 versions [0] flexible [0+] {
        /// How long the quota holds the client back.
        throttle_time_ms:  i32                        [0+];
        /// Error of the request.
        error_code:        ErrorCode                  [0+];
        /// What was wrong.
        error_message:     Option<Str<'a>>            [0+];
        /// One per user.
        results:           Vec<ScramUserResult<'a>>   [0+];
    }

    /// A user's credentials.
    struct ScramUserResult<'a> {
        /// The name.
        user:              Str<'a>                    [0+];
        /// Error of this user.
        error_code:        ErrorCode                  [0+];
        /// What was wrong.
        error_message:     Option<Str<'a>>            [0+];
        /// One per mechanism.
        credential_infos:  Vec<ScramCredentialInfo>   [0+];
    }

    /// A credential, without what is secret of it.
    struct ScramCredentialInfo {
        /// 1 for SCRAM-SHA-256, 2 for SCRAM-SHA-512.
        mechanism:   i8   [0+];
        /// How often the password is hashed.
        iterations:  i32  [0+];
    }
}
