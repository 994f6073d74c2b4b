//! Answers to "all topics", encoded once: clients ask for them again and again, and with 10,000
//! partitions one is 400 KB. They hold until the image changes; each is sent as it lies here, behind
//! the eight bytes of its own size and correlation id.

use super::Head;
use crate::metadata::Image;
use crate::net::{Part, Parts, Reply};
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::sync::Arc;

/// Answers kept: versions and options that clients of one cluster differ in.
const ANSWERS_MAX: usize = 8;

/// Size and correlation id.
const OWN_BYTES: usize = 8;

/// What an answer depends on besides the image.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) version: i16,
    pub(super) listener: usize,
    pub(super) topic_operations: i32,
    pub(super) cluster_operations: i32,
}

/// Encoded answers of one shard.
#[derive(Default)]
pub struct MetadataCache {
    image: Option<Arc<Image>>,
    answers: VecDeque<(Key, Bytes)>,
}

impl MetadataCache {
    /// The answer for this image, if it has been encoded.
    pub(super) fn find(&self, image: &Arc<Image>, key: Key, head: &Head) -> Option<Reply> {
        let is_current = self.image.as_ref().is_some_and(|of| Arc::ptr_eq(of, image));
        let mut answers = self.answers.iter().filter(|_| is_current);
        let (_, frame) = answers.find(|(of, _)| *of == key)?;
        let mut own = BytesMut::from(&frame[..OWN_BYTES]);
        own[4..].copy_from_slice(&head.correlation_id.to_be_bytes());
        let parts = Parts::from_iter([
            Part::Bytes(own.freeze()),
            Part::Bytes(frame.slice(OWN_BYTES..)),
        ]);
        Some(Reply::from(parts))
    }

    /// Keeps an encoded answer.
    pub(super) fn keep(&mut self, image: &Arc<Image>, key: Key, frame: Bytes) {
        if !self.image.as_ref().is_some_and(|of| Arc::ptr_eq(of, image)) {
            self.image = Some(image.clone());
            self.answers.clear();
        }
        self.answers.truncate(ANSWERS_MAX - 1);
        self.answers.push_front((key, frame));
    }
}
