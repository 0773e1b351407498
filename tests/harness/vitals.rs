//! What a server holds of its system's resources.

use super::Running;

/// A process as the system counts it.
#[derive(Clone, Copy, Debug)]
pub struct Vitals {
    /// Resident memory.
    pub mib: u64,
    pub descriptors: usize,
    pub threads: usize,
}

impl Running {
    pub fn vitals(&self) -> Vitals {
        let count = |folder: &str| {
            let entries = std::fs::read_dir(format!("/proc/{}/{folder}", self.pid()));
            entries.expect("it lives").count()
        };
        Vitals {
            mib: self.resident() / 1024,
            descriptors: count("fd"),
            threads: count("task"),
        }
    }

    /// Waits until it holds about as much as before.
    pub async fn until_as_before(&self, before: Vitals, more_mib: u64) {
        let after = async {
            loop {
                let now = self.vitals();
                let as_before = now.mib <= before.mib + more_mib
                    && now.descriptors <= before.descriptors + 4
                    && now.threads <= before.threads + 4;
                if as_before {
                    return now;
                }
                tokio::task::yield_now().await;
            }
        };
        match tokio::time::timeout(super::LONG, after).await {
            Ok(now) => println!("before {before:?}, after {now:?}"),
            Err(_) => panic!("before {before:?}, after {:?}", self.vitals()),
        }
    }
}
