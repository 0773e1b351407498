//! The system's numbers about processes, and the cores where they run: CPU time, memory, descriptors. Starts none.

use std::mem::{size_of, zeroed};
use std::time::Duration;
use std::{fs, io};

use anyhow::Context;

/// The cores of server and client.
#[derive(Clone, Copy)]
pub struct Cores {
    /// The server's.
    pub server: usize,
    /// The client's. Another one than the server's, if there is one.
    pub client: usize,
}

impl Cores {
    /// The first two cores that this process may use. The same one twice if there is no other.
    pub fn choose() -> anyhow::Result<Self> {
        let allowed = allowed_cores()?;
        let server = *allowed.first().context("no core to run on")?;
        let client = *allowed.get(1).unwrap_or(&server);
        Ok(Self { server, client })
    }
}

/// The cores that this process may use.
#[allow(unsafe_code, reason = "only the system knows the cores")]
pub fn allowed_cores() -> io::Result<Vec<usize>> {
    // SAFETY: the set is plain bits, and the call fills no more than its size.
    let allowed = unsafe {
        let mut set = zeroed::<libc::cpu_set_t>();
        match libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) {
            0 => set,
            _ => return Err(io::Error::last_os_error()),
        }
    };
    // SAFETY: the number is below the size of the set.
    let cores =
        (0..libc::CPU_SETSIZE as usize).filter(|core| unsafe { libc::CPU_ISSET(*core, &allowed) });
    Ok(cores.collect())
}

/// Pins the calling thread, and all that it starts, to these cores. Allocates nothing.
pub fn pin(cores: &[usize]) -> io::Result<()> {
    // SAFETY: the set is plain bits, the cores were found in such a set, and the call only reads it.
    #[allow(unsafe_code, reason = "only the system pins threads")]
    let done = unsafe {
        let mut set = zeroed::<libc::cpu_set_t>();
        for core in cores {
            libc::CPU_SET(*core, &mut set);
        }
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set)
    };
    match done {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Runs this in its own thread on one core, so that only it is pinned.
pub fn on_core<T: Send>(
    core: usize,
    work: impl FnOnce() -> anyhow::Result<T> + Send,
) -> anyhow::Result<T> {
    let work = || {
        pin(&[core])?;
        work()
    };
    let ended = std::thread::scope(|scope| scope.spawn(work).join());
    ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The time that a process has run on any core, in its own code and in the kernel.
pub fn cpu_time(id: u32) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
    // The name of the program may have spaces; it ends with the last parenthesis.
    let (_, rest) = stat.rsplit_once(')').context("/proc says nothing")?;
    let ticks = rest
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse::<u64>)
        .sum::<Result<u64, _>>()?;
    // SAFETY: this only asks for a constant of the system.
    #[allow(unsafe_code, reason = "only the system knows its constants")]
    let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    Ok(Duration::from_secs_f64(ticks as f64 / per_second as f64))
}

/// The most memory that a process had resident so far, in bytes.
pub fn peak_memory(id: u32) -> anyhow::Result<u64> {
    field(&format!("/proc/{id}/status"), "VmHWM:")
}

/// The memory that a process has resident now, in bytes. Counted page by page, unlike what `status` says.
pub fn resident_memory(id: u32) -> anyhow::Result<u64> {
    field(&format!("/proc/{id}/smaps_rollup"), "Rss:")
}

/// The same, in which a page that is mapped several times is counted once.
pub fn proportional_memory(id: u32) -> anyhow::Result<u64> {
    field(&format!("/proc/{id}/smaps_rollup"), "Pss:")
}

/// How many files and sockets a process has open.
pub fn descriptors(id: u32) -> anyhow::Result<usize> {
    Ok(fs::read_dir(format!("/proc/{id}/fd"))?.count())
}

/// How many threads a process has.
pub fn threads(id: u32) -> anyhow::Result<usize> {
    Ok(fs::read_dir(format!("/proc/{id}/task"))?.count())
}

/// How many mappings a process has in its memory.
pub fn mappings(id: u32) -> anyhow::Result<usize> {
    let maps = fs::read_to_string(format!("/proc/{id}/maps"))?;
    Ok(maps.lines().count())
}

/// A field that the kernel gives in kB.
fn field(file: &str, name: &str) -> anyhow::Result<u64> {
    let text = fs::read_to_string(file)?;
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    let value = value.and_then(|value| value.trim().strip_suffix(" kB"));
    let kilobytes: u64 = value
        .with_context(|| format!("{file} has no {name}"))?
        .parse()?;
    Ok(kilobytes * 1024)
}

/// Lets this process, and those that it starts, open as many files as they may. Returns the number.
#[allow(unsafe_code, reason = "only the system sets limits")]
pub fn raise_descriptors() -> anyhow::Result<usize> {
    // SAFETY: the limit is plain numbers, which the first call fills and the second one reads.
    unsafe {
        let mut limit = zeroed::<libc::rlimit>();
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) != 0 {
            return Err(io::Error::last_os_error().into());
        }
        limit.rlim_cur = limit.rlim_max;
        if libc::setrlimit(libc::RLIMIT_NOFILE, &limit) != 0 {
            return Err(io::Error::last_os_error().into());
        }
        Ok(usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX))
    }
}
