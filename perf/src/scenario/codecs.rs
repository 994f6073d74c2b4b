//! (i) Compressed record sets: what a broker does with them that it does not do with others.

use super::{Plot, Scenario};
use crate::batch::Codec;
use crate::contest::Case;
use crate::corpus::Corpus;
use crate::load::{Load, Producers, Set};

/// 64 records of 1 KiB in each set, 16 producers.
pub fn scenario() -> Scenario {
    let case = |codec: Codec, corpus: Corpus| {
        let producers = Producers {
            codec,
            corpus,
            ..Producers::closed(
                16,
                Set::Records {
                    count: 64,
                    value_bytes: 1 << 10,
                },
            )
        };
        let mut load = Load::producing(4, producers);
        load.warm_up.bytes = Some(512 << 20);
        load.measure.bytes = Some(2 << 30);
        let words = format!("{codec:?} {corpus:?}").to_lowercase();
        let name = format!("i-{}", words.replace(' ', "-"));
        let title = format!("sets of 64 records of 1 KiB, {words}");
        Case::new(&name, &title, load).peer_rounds(2)
    };
    let compressible = |codec| case(codec, Corpus::Compressible);
    Scenario {
        name: "i",
        title: "Record sets in gzip, snappy, lz4, zstd",
        cases: vec![
            compressible(Codec::None),
            compressible(Codec::Gzip),
            compressible(Codec::Snappy),
            compressible(Codec::Lz4),
            compressible(Codec::Zstd),
            case(Codec::Lz4, Corpus::Random),
            case(Codec::Zstd, Corpus::Random),
        ],
        plot: Plot::Latency,
    }
}
