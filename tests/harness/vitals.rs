//! The resources of its system that a server holds.

use super::Running;

/// The resources of a process, by the system's numbers.
#[derive(Clone, Copy, Debug)]
pub struct Vitals {
    /// Resident memory.
    pub mib: u64,
    pub descriptors: usize,
    pub threads: usize,
}

/// Lets the tests, and the servers that they start from now on, open as many files as they may. Returns the number.
pub fn raise_descriptors() -> usize {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the pointers are to a live value.
    #[allow(unsafe_code, reason = "only the system sets limits")]
    let is_raised = unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 && {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) == 0
        }
    };
    assert!(is_raised, "{}", std::io::Error::last_os_error());
    usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX)
}

impl Running {
    /// Resident memory in KiB, as the system counts it.
    pub fn resident(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("its status");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .expect("its memory");
        line.trim()
            .trim_end_matches(" kB")
            .parse()
            .expect("a number")
    }

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

/// How much is streamed: enough to show in memory if any of it is kept.
const MEBIBYTES: u64 = 256;

/// As many as `WATERSPOUT_STREAM` says, such as 2048 for 2 GiB.
pub fn mebibytes() -> u64 {
    let said = std::env::var("WATERSPOUT_STREAM").ok();
    said.map_or(MEBIBYTES, |said| said.parse().expect("a number of MiB"))
}
