//! Numbers as horizontal bars.

use console::Term;

use crate::output::printable;

/// Where stdout is no terminal.
const USUAL_WIDTH: usize = 80;
/// Longer bars tell no more, and the eye loses the line.
const GREATEST_WIDTH: usize = 120;
const FULL: char = '█';
/// One eighth of a character to seven eighths.
const EIGHTHS: [char; 7] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/// How wide a chart on stdout may be.
pub(crate) fn width() -> usize {
    Term::stdout().size_checked().map_or(USUAL_WIDTH, |(_, columns)| usize::from(columns)).min(GREATEST_WIDTH)
}

/// A title, and for each item a line of label, number and bar; the longest bar fills the width.
pub(crate) fn chart(title: &str, items: &[(String, u64)], width: usize) -> String {
    let mut text = format!("{title}\n");
    if items.is_empty() {
        return text + "  none\n";
    }
    let labels: Vec<_> = items.iter().map(|(label, _)| shortened(&printable(label), width / 3)).collect();
    let label_width = labels.iter().map(|label| label.chars().count()).max().unwrap_or_default();
    let greatest = items.iter().map(|(_, number)| *number).max().unwrap_or_default();
    let number_width = greatest.to_string().len();
    let room = width.saturating_sub(label_width + number_width + "      ".len());
    for (label, (_, number)) in labels.iter().zip(items) {
        let line = format!("  {label:<label_width$}  {number:>number_width$}  {}", bar(*number, greatest, room));
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// The number's share of the room. What is not zero is seen.
fn bar(number: u64, greatest: u64, room: usize) -> String {
    if number == 0 || room == 0 {
        return String::new();
    }
    let eighths = u128::from(number) * (room as u128 * 8) / u128::from(greatest);
    let eighths = usize::try_from(eighths).expect("no more than the room's").max(1);
    let full = FULL.to_string().repeat(eighths / 8);
    match eighths % 8 {
        0 => full,
        rest => full + &EIGHTHS[rest - 1].to_string(),
    }
}

fn shortened(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    text.chars().take(longest.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(items: &[(&str, u64)]) -> Vec<(String, u64)> {
        items.iter().map(|&(label, number)| (label.to_owned(), number)).collect()
    }

    #[test]
    fn bars_are_aligned_and_the_longest_fills_the_width() {
        let drawn = chart("Missing", &items(&[("salary_min", 40), ("phone", 5), ("name", 0)]), 40);
        let expected = "\
Missing
  salary_min  40  ██████████████████████
  phone        5  ██▊
  name         0
";
        assert_eq!(drawn, expected);
    }

    #[test]
    fn a_label_takes_no_more_than_a_third() {
        assert_eq!(chart("Missing", &items(&[("salary_min", 4)]), 24), "Missing\n  salary_…  4  █████████\n");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let wide = items(&[("a_column_with_a_very_long_name_that_fits_nowhere", u64::MAX), ("b", 1)]);
        for width in [60, 80, 120] {
            let drawn = chart("Title", &wide, width);
            assert!(drawn.lines().all(|line| line.chars().count() <= width), "{width}: {drawn}");
            assert!(drawn.lines().nth(1).unwrap().chars().count() == width, "{width}: {drawn}");
        }
        assert!(chart("Title", &wide, 0).contains("18446744073709551615"), "numbers are told without room for bars");
    }

    #[test]
    fn what_is_not_zero_is_seen_and_what_is_zero_is_not() {
        assert_eq!(bar(1, u64::MAX, 10), "▏");
        assert_eq!(bar(0, 7, 10), "");
        assert_eq!(bar(0, 0, 10), "");
        assert_eq!(bar(7, 7, 3), "███");
        assert_eq!(bar(1, 2, 3), "█▌");
    }

    #[test]
    fn nothing_to_draw_is_said() {
        assert_eq!(chart("Failures", &[], 80), "Failures\n  none\n");
    }

    #[test]
    fn a_label_cannot_steer_the_terminal() {
        assert!(!chart("Missing", &items(&[("\u{1b}[2J", 1)]), 80).contains('\u{1b}'));
    }
}
