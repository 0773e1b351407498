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

/// Resident memory of a process in KiB, as the system counts it. `None`: it has ended.
pub fn resident(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// How many entries one of its folders in `/proc` has.
pub fn entries(process: u32, folder: &str) -> Option<usize> {
    let entries = std::fs::read_dir(format!("/proc/{process}/{folder}"));
    Some(entries.ok()?.count())
}

impl Running {
    /// Resident memory in KiB.
    pub fn resident(&self) -> u64 {
        resident(self.pid()).expect("it lives")
    }

    pub fn vitals(&self) -> Vitals {
        let count = |folder| entries(self.pid(), folder).expect("it lives");
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
