//! What a process uses, from `/proc`.

use std::time::Duration;

use procfs::process::Process;

/// What a process uses.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Memory that it holds.
    pub resident_bytes: u64,
    /// File descriptors that it has open.
    pub descriptors: usize,
    /// Its threads.
    pub threads: i64,
    /// Processor time that it took since its start.
    pub processor: Duration,
}

impl Usage {
    /// Of a process that runs.
    ///
    /// # Panics
    /// If it does not.
    #[track_caller]
    pub fn of(id: u32) -> Self {
        let id = i32::try_from(id).expect("a process id");
        let process = Process::new(id).expect("it runs");
        let stat = process.stat().expect("stat");
        let ticks = stat.utime + stat.stime;
        Self {
            resident_bytes: stat.rss * procfs::page_size(),
            descriptors: process.fd_count().expect("its descriptors"),
            threads: stat.num_threads,
            processor: Duration::from_millis(ticks * 1000 / procfs::ticks_per_second()),
        }
    }
}
