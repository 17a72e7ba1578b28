//! Phone numbers that ring nowhere.

/// Area codes in which 555-0100 to 555-0199 are set apart for fiction, as in all of North America.
const AREAS: [&str; 10] = ["202", "206", "212", "213", "303", "312", "404", "415", "512", "617"];

/// The number of that place in their row; they repeat after a thousand.
pub(super) fn number(place: usize) -> String {
    format!("+1{}55501{:02}", AREAS[place / 100 % AREAS.len()], place % 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use registrar_core::Phone;
    use std::collections::BTreeSet;

    #[test]
    fn every_number_is_valid_and_another() {
        let numbers: BTreeSet<_> = (0..1000).map(number).collect();
        assert_eq!(numbers.len(), 1000);
        for number in numbers {
            let parsed = Phone::parse(&number, None);
            assert!(parsed.is_ok(), "{number}");
        }
    }
}
