//! "Did you mean": the nearest of a few known words. Knows no grammar, only letters.

/// The known word that was most likely meant, if any is near enough to be worth saying.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (word.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Letters to add, drop, change or swap with their neighbour, case aside.
fn distance(a: &str, b: &str) -> usize {
    let letters = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<Vec<char>>();
    let (a, b) = (letters(a), letters(b));
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = change.min(last[j] + 1).min(row[j - 1] + 1);
            let is_swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if is_swapped {
                best = best.min(before_last[j - 2] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_mistakes_find_their_word_and_other_words_find_none() {
        let known = ["host", "port", "ups", "user", "password", "low_battery_reliable"];
        for (word, meant) in [
            ("hots", Some("host")),
            ("Port", Some("port")),
            ("pasword", Some("password")),
            ("low-battery-reliable", Some("low_battery_reliable")),
            ("address", None),
            ("", None),
            ("üps", Some("ups")),
        ] {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
    }
}
