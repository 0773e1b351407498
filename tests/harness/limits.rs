//! Limits of a server's process, and what it inherits: by system calls. Decides none.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// With more threads, work would change threads in an order that varies.
pub fn on_one_core(server: &mut Command) {
    before_it_begins(server, || {
        // SAFETY: plain bits, of which all patterns are valid; the call reads them alone.
        #[allow(unsafe_code, reason = "only the system sets limits")]
        unsafe {
            let mut cores = std::mem::zeroed::<libc::cpu_set_t>();
            let core = libc::sched_getcpu().max(0).unsigned_abs() as usize;
            libc::CPU_SET(core, &mut cores);
            libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &cores)
        }
    });
}

/// Passes a descriptor on as number 3.
pub fn pass_on(server: &mut Command, descriptor: i32) {
    before_it_begins(server, move || {
        // SAFETY: it changes descriptors of the child, which has no other use for number 3.
        #[allow(unsafe_code, reason = "only the system passes descriptors on")]
        unsafe {
            libc::dup2(descriptor, 3)
        }
    });
}

pub fn limit_address_space(server: &mut Command, bytes: u64) {
    let limit = libc::rlimit {
        rlim_cur: bytes,
        rlim_max: bytes,
    };
    before_it_begins(server, move || {
        // SAFETY: one system call, which reads one structure.
        #[allow(unsafe_code, reason = "only the system sets limits")]
        unsafe {
            libc::setrlimit(libc::RLIMIT_AS, &limit)
        }
    });
}

/// Its own limit can be raised again by a process that may.
pub fn limit_file_size(server: &mut Command, bytes: u64) {
    let limit = libc::rlimit {
        rlim_cur: bytes,
        rlim_max: libc::RLIM_INFINITY,
    };
    before_it_begins(server, move || {
        // SAFETY: one system call, which reads one structure.
        #[allow(unsafe_code, reason = "only the system sets limits")]
        unsafe {
            libc::setrlimit(libc::RLIMIT_FSIZE, &limit)
        }
    });
}

/// Lets a process write files of any size.
pub fn lift_file_size(pid: u32) {
    let limit = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    let pid = libc::pid_t::try_from(pid).expect("a process");
    // SAFETY: one system call, which reads one structure and writes none.
    #[allow(unsafe_code, reason = "only the system sets limits")]
    let lifted = unsafe { libc::prlimit(pid, libc::RLIMIT_FSIZE, &limit, std::ptr::null_mut()) };
    assert_eq!(lifted, 0, "{}", io::Error::last_os_error());
}

/// Has the child make this system call, which fails with -1. The call may allocate nothing.
fn before_it_begins(server: &mut Command, call: impl Fn() -> i32 + Send + Sync + 'static) {
    let checked = move || match call() {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    };
    // SAFETY: after the fork, this makes system calls and allocates nothing.
    #[allow(unsafe_code, reason = "the child is prepared before it begins")]
    unsafe {
        server.pre_exec(checked)
    };
}
