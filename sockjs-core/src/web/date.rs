//! The date format of HTTP (RFC 9110, section 5.6.7).

use crate::time::Timestamp;

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const SECS_PER_DAY: u64 = 86_400;

/// The last second that four digits of a year can show.
const LAST_SECOND: u64 = 253_402_300_799;

/// A timestamp as an IMF-fixdate.
pub(crate) fn imf_fixdate(time: Timestamp) -> String {
    let secs = time.as_secs().min(LAST_SECOND);
    let (day, second) = (secs / SECS_PER_DAY, secs % SECS_PER_DAY);
    let (year, month, date) = civil(day);
    format!(
        "{}, {date:02} {} {year:04} {:02}:{:02}:{:02} GMT",
        name(&DAYS, day % 7),
        name(&MONTHS, month),
        second / 3600,
        second / 60 % 60,
        second % 60,
    )
}

fn name(names: &'static [&'static str], at: u64) -> &'static str {
    usize::try_from(at).ok().and_then(|at| names.get(at)).copied().unwrap_or_default()
}

/// Year, month from 0, and date from 1 of a day since the epoch.
///
/// Years are counted from March, so that the leap day is the last of its year and month lengths
/// follow one linear rule (Hinnant, *chrono-compatible low-level date algorithms*).
fn civil(day: u64) -> (u64, u64, u64) {
    const DAYS_TO_EPOCH: u64 = 719_468; // from 1 March of year 0
    const DAYS_PER_ERA: u64 = 146_097; // 400 years
    let day = day + DAYS_TO_EPOCH;
    let (era, day_of_era) = (day / DAYS_PER_ERA, day % DAYS_PER_ERA);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let date = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = (march_month + 2) % 12;
    (era * 400 + year_of_era + u64::from(month < 2), month, date)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn agrees_with_a_date_library() {
        let mut secs = 0;
        while secs < LAST_SECOND {
            let expected = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(secs));
            assert_eq!(imf_fixdate(Timestamp::from_micros(secs * 1_000_000)), expected);
            secs += 39_916_801; // a prime number of seconds, to meet every weekday, month and hour
        }
        assert_eq!(imf_fixdate(Timestamp::from_micros(u64::MAX)), "Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
