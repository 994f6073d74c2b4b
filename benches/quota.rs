//! The quotas by the clock. `cargo bench --bench quota`.

use divan::{Bencher, black_box};
use millstream::quota::{Ledger, Window};

fn main() {
    divan::main();
}

/// What a request of one among so many clients is charged.
#[divan::bench(args = [1, 1_000])]
fn charge(bencher: Bencher<'_, '_>, clients: u64) {
    let window = Window {
        samples: 11,
        sample_ms: 1_000,
    };
    let mut ledger = Ledger::new(window);
    let mut now_ms = 1_000_000;
    bencher.bench_local(|| {
        now_ms += 1;
        ledger.charge(black_box(now_ms % clients), 1_000.0, 1e9, now_ms)
    });
}
