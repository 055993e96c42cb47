//! What processes use: read from the kernel, for the server and for ourselves.

use std::fs;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::Result;

/// Processor time of all threads of a process, those that have ended included.
pub(crate) fn cpu(pid: Pid) -> Result<Duration> {
    let clock = ClockId::pid_cpu_clock_id(pid)?;
    Ok(clock_gettime(clock)?.into())
}

/// Processor time of a process in the kernel and outside of it, in the kernel's ticks: coarse, and sampled by most kernels.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ticks {
    user: u64,
    kernel: u64,
}

impl Ticks {
    pub(crate) fn of(pid: Pid) -> Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name of the program, in parentheses, may have spaces in it.
        let (_, fields) = text.rsplit_once(')').ok_or("no name in stat")?;
        let mut fields = fields.split_ascii_whitespace().skip(11);
        let mut ticks = || -> Result<u64> { Ok(fields.next().ok_or("stat ends early")?.parse()?) };
        Ok(Self { user: ticks()?, kernel: ticks()? })
    }

    /// The kernel's part of what has passed since then, from 0 to 1; nothing if no tick has.
    pub(crate) fn kernel_since(self, then: Self) -> Option<f64> {
        let (user, kernel) = (self.user - then.user, self.kernel - then.kernel);
        (user + kernel > 0).then(|| kernel as f64 / (user + kernel) as f64)
    }
}

/// Memory of a process, in bytes. What the kernel holds for its sockets is not in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Pages in memory.
    pub rss: u64,
    /// Pages in memory, those shared with other processes divided among them.
    pub pss: u64,
}

impl Memory {
    pub(crate) fn of(pid: Pid) -> Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        let bytes = |name: &str| -> Result<u64> {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let line = line.ok_or_else(|| format!("no {name} in smaps_rollup"))?;
            Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
        };
        Ok(Self { rss: bytes("Rss:")?, pss: bytes("Pss:")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_part_is_between_nothing_and_all() {
        let own = nix::unistd::getpid();
        let then = Ticks::of(own).unwrap();
        assert_eq!(then.kernel_since(then), None);
        let all = Ticks { kernel: then.kernel + 3, ..then };
        assert_eq!(all.kernel_since(then), Some(1.0));
        let some = Ticks { user: then.user + 1, ..all };
        assert_eq!(some.kernel_since(then), Some(0.75));
    }

    #[test]
    fn own_use_is_read() {
        let own = nix::unistd::getpid();
        assert!(cpu(own).unwrap() > Duration::ZERO);
        let memory = Memory::of(own).unwrap();
        assert!(memory.rss >= memory.pss && memory.pss > 0);
    }
}
