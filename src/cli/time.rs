//! Points in time and durations as people write them: `2026-11-22T10:00:00Z`, milliseconds since the
//! epoch, `2h` ago. All in UTC.

use crate::types::Timestamp;

const SECOND_MS: i64 = 1_000;
const DAY_MS: i64 = 86_400 * SECOND_MS;

/// RFC 3339 in UTC with milliseconds; `none` for no time.
pub(super) fn format(time: Timestamp) -> String {
    if time.0 < 0 {
        return "none".to_owned();
    }
    let (year, month, day) = date_of(time.0.div_euclid(DAY_MS));
    let ms = time.0.rem_euclid(DAY_MS);
    let (hour, minute) = (ms / 3_600_000, ms / 60_000 % 60);
    let (second, ms) = (ms / SECOND_MS % 60, ms % SECOND_MS);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// A time in RFC 3339 (`2026-11-22`, `2026-11-22T10:00`, with seconds, a fraction, `Z` or an offset;
/// without one it is UTC), `-` and a duration for so long ago, or `@` and ms since 1970.
pub(super) fn parse(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Some(ms) = text.strip_prefix('@') {
        let plain = ms.bytes().all(|symbol| symbol.is_ascii_digit());
        return plain.then(|| ms.parse().ok()).flatten().map(Timestamp);
    }
    if let Some(ago) = text.strip_prefix('-') {
        return Some(Timestamp(now.0.saturating_sub(duration_ms(ago)?)));
    }
    let (date, rest) = text.split_at_checked(10)?;
    let mut parts = date.split('-');
    let year = digits(parts.next()?, 4)?;
    let month = digits(parts.next()?, 2).filter(|month| (1..=12).contains(month))?;
    let day = digits(parts.next()?, 2).filter(|day| (1..=31).contains(day))?;
    if parts.next().is_some() || date_of(days_of(year, month, day)) != (year, month, day) {
        return None;
    }
    let midnight = days_of(year, month, day) * DAY_MS;
    if rest.is_empty() {
        return Some(Timestamp(midnight));
    }
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (clock, offset_ms) = split_offset(rest)?;
    let ms = midnight + clock_ms(clock)? - offset_ms;
    (ms >= 0).then_some(Timestamp(ms))
}

/// A duration such as `90s`, `15m`, `2h`, `7d`, `500ms`, or several: `1h30m`.
pub(super) fn duration_ms(text: &str) -> Option<i64> {
    const UNITS: [(&str, i64); 5] = [
        ("ms", 1),
        ("s", SECOND_MS),
        ("m", 60 * SECOND_MS),
        ("h", 3_600 * SECOND_MS),
        ("d", DAY_MS),
    ];
    let mut rest = text;
    let mut sum: i64 = 0;
    while !rest.is_empty() {
        let end = rest.find(|symbol: char| !symbol.is_ascii_digit())?;
        let number: i64 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let end = rest
            .find(|symbol: char| symbol.is_ascii_digit())
            .unwrap_or(rest.len());
        let unit = UNITS.iter().find(|(name, _)| *name == &rest[..end])?.1;
        sum = sum.checked_add(number.checked_mul(unit)?)?;
        rest = &rest[end..];
    }
    (!text.is_empty()).then_some(sum)
}

/// The clock's part and the offset from UTC in ms.
fn split_offset(text: &str) -> Option<(&str, i64)> {
    if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(at) = text.rfind(['+', '-']) else {
        return Some((text, 0));
    };
    let (hours, minutes) = text[at + 1..].split_once(':')?;
    let offset = digits(hours, 2)? * 60 + digits(minutes, 2)?;
    let sign = if text[at..].starts_with('-') { -1 } else { 1 };
    Some((&text[..at], sign * offset * 60 * SECOND_MS))
}

/// `10:00`, `10:00:30`, `10:00:30.125` in ms.
fn clock_ms(text: &str) -> Option<i64> {
    let (text, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let mut parts = text.split(':');
    let hour = digits(parts.next()?, 2).filter(|hour| *hour < 24)?;
    let minute = digits(parts.next()?, 2).filter(|minute| *minute < 60)?;
    let second = match parts.next() {
        Some(second) => digits(second, 2).filter(|second| *second <= 60)?,
        None => 0,
    };
    if parts.next().is_some() || !fraction.bytes().all(|symbol| symbol.is_ascii_digit()) {
        return None;
    }
    let thousandths: String = fraction.chars().chain("00".chars()).take(3).collect();
    let ms: i64 = thousandths.parse().ok()?;
    Some(((hour * 60 + minute) * 60 + second) * SECOND_MS + ms)
}

fn digits(text: &str, count: usize) -> Option<i64> {
    let plain = text.len() == count && text.bytes().all(|symbol| symbol.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// Days since 1970-01-01 of a date in the Gregorian calendar, counted in years that begin in March so
/// that the leap day is the last.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The date of a day since 1970-01-01.
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = (march_month + 2) % 12 + 1;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    #[test]
    fn times_survive_their_text() {
        for ms in [
            0,
            951_782_399_999,
            951_782_400_000,
            1_800_000_000_123,
            253_402_300_799_999,
        ] {
            let time = Timestamp(ms);
            assert_eq!(parse(&format(time), NOW), Some(time), "{}", format(time));
        }
        // date -u -d @951782400
        assert_eq!(
            format(Timestamp(951_782_400_000)),
            "2000-02-29T00:00:00.000Z"
        );
        assert_eq!(
            format(Timestamp(1_800_000_000_000)),
            "2027-01-15T08:00:00.000Z"
        );
        assert_eq!(format(Timestamp::NONE), "none");
    }

    #[test]
    fn times_may_be_short_or_have_an_offset() {
        let at = |text| parse(text, NOW).map(|time| time.0);
        assert_eq!(at("2027-01-15"), Some(1_800_000_000_000 - 8 * 3_600_000));
        assert_eq!(at("2027-01-15T08:00"), Some(1_800_000_000_000));
        assert_eq!(at("2027-01-15 08:00:00.5"), Some(1_800_000_000_500));
        assert_eq!(at("2027-01-15T10:30:00+02:30"), Some(1_800_000_000_000));
        assert_eq!(at("@1800000000000"), Some(1_800_000_000_000));
        assert_eq!(at("-90s"), Some(1_800_000_000_000 - 90_000));
        assert_eq!(at("-1h30m"), Some(1_800_000_000_000 - 5_400_000));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for bad in [
            "",
            "-",
            "-5",
            "-5x",
            "@",
            "@-5",
            "yesterday!",
            "2027-02-29",
            "2027-13-01",
            "2027-01-15T25:00",
            "2027-01-15T08",
            "2027-01-15T08:00:00.x",
            "2027-01-15T08:00:00+02",
            "1800000000",
            "äöüäöü",
        ] {
            assert_eq!(parse(bad, NOW), None, "{bad:?}");
        }
    }
}
