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
    fn own_use_is_read() {
        let own = nix::unistd::getpid();
        assert!(cpu(own).unwrap() > Duration::ZERO);
        let memory = Memory::of(own).unwrap();
        assert!(memory.rss >= memory.pss && memory.pss > 0);
    }
}
