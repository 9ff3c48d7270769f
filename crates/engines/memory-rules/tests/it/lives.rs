//! A hundred thousand pairs of statements that hold together.

use std::collections::HashMap;

use pentad_memory_rules::{Statement, Verdict};

use crate::{FLOOR, lines, none};

/// What stands in the braces of the corpus.
#[rustfmt::skip]
const VALUES: &[(&str, &[&str])] = &[
    ("name", &["User", "Alice", "Bob", "Anna-Lena", "José", "Priya Raman", "Kwame", "Dr. Okafor", "Siobhan", "Mr. Lee", "Nikhil", "Zoë", "Chris"]),
    ("city", &["Berlin", "Lisbon", "Houston", "Zagreb", "Valparaíso", "Kyoto", "Cape Town", "St. Gallen", "New York", "Nairobi", "Riverton", "Aix-en-Provence", "Springfield", "Hull"]),
    ("company", &["Acme", "Globex", "Initech", "Bank of America", "Mercy Hospital", "Johnson & Sons", "Umbrella Corp", "Siemens"]),
    ("job", &["software engineer", "nurse", "teacher", "product manager", "data analyst", "lawyer", "baker"]),
    ("relative", &["sister", "older brother", "mother", "father-in-law", "cousin", "roommate", "best friend", "boss"]),
    ("food", &["sushi", "ramen", "pizza", "spicy food", "dumplings", "blue cheese"]),
    ("color", &["blue", "teal", "dark red", "yellow"]),
    ("hobby", &["hiking", "pottery", "chess", "swimming", "watching birds"]),
    ("language", &["French", "German", "Swahili", "Mandarin", "Portuguese"]),
    ("instrument", &["piano", "violin", "drums", "flute"]),
    ("tool", &["Slack", "Vim", "Jira", "Notion", "Postman", "Excel", "Chrome", "Python"]),
    ("team", &["payments", "search", "growth", "customer support", "data"]),
    ("project", &["Apollo", "Borealis", "Comet", "Project X"]),
    ("day", &["Monday", "Tuesday", "Wednesday", "Friday"]),
    ("month", &["January", "March", "May", "August", "October"]),
    ("day of month", &["3", "7", "9", "14", "21", "27", "28"]),
    ("hour", &["9", "10", "14", "16"]),
    ("number", &["1042", "77", "2290", "318", "4711"]),
    ("year", &["1994", "2009", "2016"]),
    ("age", &["31", "44", "58"]),
    ("small", &["2", "3", "5", "8"]),
    ("0 or 1", &["0", "1"]),
    ("2 or 3", &["2", "3"]),
    ("allergen", &["peanuts", "pollen", "penicillin", "cat hair"]),
    ("mailbox", &["me", "jo.doe", "info"]),
];
const LIVES: usize = 28;

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % end
    }
}

struct Life {
    dice: Dice,
    /// The values of each kind in the order of this life.
    values: HashMap<&'static str, Vec<&'static str>>,
}

impl Life {
    fn new(seed: usize) -> Self {
        let mut dice = Dice(seed as u64);
        let mut shuffled = |values: &[&'static str]| {
            let mut values = values.to_vec();
            for at in (1..values.len()).rev() {
                values.swap(at, dice.below(at + 1));
            }
            values
        };
        let values = VALUES
            .iter()
            .map(|(kind, values)| (*kind, shuffled(values)))
            .collect();
        Life { dice, values }
    }

    fn value(&mut self, hole: &str) -> &'static str {
        let hole = match hole {
            "person" => "name 1".to_owned(),
            _ => hole
                .replace("other 4", "name 5")
                .replace("other 3", "name 4")
                .replace("other 2", "name 3")
                .replace("other 1", "name 2"),
        };
        if let Some(values) = self.values.get(hole.as_str()) {
            return values[self.dice.below(values.len())];
        }
        let (kind, number) = hole.rsplit_once(' ').expect("a kind and a number");
        let number: usize = number.parse().expect("a number");
        self.values[kind][number - 1]
    }

    fn statement(&mut self, line: &str) -> String {
        let wordings: Vec<&str> = line.split(" | ").collect();
        let mut rest = wordings[self.dice.below(wordings.len())];
        let mut text = String::new();
        while let Some((before, hole)) = rest.split_once('{') {
            let (hole, after) = hole.split_once('}').expect("a closing brace");
            text.push_str(before);
            text.push_str(self.value(hole));
            rest = after;
        }
        text + rest
    }
}

#[test]
fn a_hundred_thousand_pairs_that_hold_together_are_left_alone() {
    let (mut count, mut wrong) = (0, Vec::new());
    for seed in 0..LIVES {
        let mut life = Life::new(seed);
        let texts: Vec<String> = lines(include_str!("../../corpus/lives.txt"))
            .map(|line| life.statement(line))
            .collect();
        let read: Vec<Statement> = texts.iter().map(|text| Statement::read(text)).collect();
        for (old, old_text) in read.iter().zip(&texts) {
            for (new, new_text) in read.iter().zip(&texts).filter(|(_, text)| *text != old_text) {
                count += 1;
                let judgement = new.judge(old);
                let acts = matches!(judgement.verdict, Verdict::Contradicts | Verdict::Duplicate);
                if acts && judgement.confidence >= FLOOR {
                    wrong.push(format!("{old_text} -> {new_text}: {}", judgement.reasoning));
                }
            }
        }
    }
    assert!(count > 100_000, "{count}");
    none(&wrong);
}
