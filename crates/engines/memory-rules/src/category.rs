//! What a fact is about, and how much it matters.

use std::fmt;
use std::sync::LazyLock;

use regex::{Regex, RegexSet};

use crate::pattern::pattern;

/// What a fact is about. The names are those that the API prints and that `excluded_categories` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Category {
    /// Illness, medication, treatment, allergies.
    HealthMedical,
    /// Residence permits, courts, custody.
    LegalStatus,
    /// Name, age, birthday, nationality.
    Identity,
    /// How to reach somebody.
    Contact,
    /// Work, title, employer, team.
    Employment,
    /// Appointments, deadlines, habits bound to a time.
    Schedule,
    /// Money.
    Financial,
    /// Likes and dislikes, habits of taste.
    Preference,
    /// Family, partners, friends.
    Relationship,
    /// Where somebody lives or goes.
    Location,
    /// None of these.
    General,
}

/// Tried in this order; the first that fits is the category.
const ORDER: [Category; 10] = [
    Category::HealthMedical,
    Category::LegalStatus,
    Category::Identity,
    Category::Contact,
    Category::Employment,
    Category::Schedule,
    Category::Financial,
    Category::Preference,
    Category::Relationship,
    Category::Location,
];

static PATTERNS: LazyLock<RegexSet> = LazyLock::new(|| {
    RegexSet::new([
        r"(?i)\b(?:allerg\w*|diagnos\w*|medicat\w*|medicines?|medical|prescri\w*|doctor'?s?|hospital\w*|surger\w*|therap(?:y|ist|ies)|symptom\w*|diseases?|cancer|diabet\w*|insulin|pregnan\w*|blood (?:pressure|type|test)|\d+ ?mg|asthma|depress(?:ed|ion)|anxiety|vaccin\w*|migraines?|epilep\w*|injur(?:y|ies|ed)|chronic|dementia|adhd|autis\w*)\b",
        r"(?i)\b(?:visa|citizen\w*|immigra\w*|lawsuit|court (?:case|date|order|hearing)|custody|divorced?|convict\w*|probation|parole|green card|asylum|attorney|lawyers?'? (?:fee|letter)|arrest\w*|criminal record|residence permit|legal(?:ly)? (?:status|resident|guardian|separated))\b",
        r"(?i)\b(?:name is|is called|born (?:in|on)|birthday|birth date|nationality|pronouns|\d+ years old|passport)\b",
        r"(?i)\b(?:e-?mail(?: address)?|phone(?: number)?|telephone|mobile number|(?:home |postal |mailing |new )?address is|zip code|[\w.+-]+@[\w-]+\.\w+)\b",
        r"(?i)\b(?:works? (?:at|for|as|in|with|from|on)|working (?:at|for|as)|job|employ\w*|(?:software |senior |staff |junior )engineer|manager|promot\w*|hired|colleagues?|boss|intern(?:ship)?|career|(?:team )?lead(?:s|er)?|ceo|cto|salary negotiation|retired)\b",
        r"(?i)\b(?:meetings?|deadline|due (?:on|by|in|date)|appointment|schedul\w*|every (?:mon|tues|wednes|thurs|fri|satur|sun)day|every (?:morning|evening|week|month|day)|at \d{1,2}(?::\d\d)? ?(?:am|pm)|standup|flight (?:is|at|on)|calendar)\b",
        r"(?i)\b(?:salary|budget|bank account|mortgage|invest\w*|loan|debt|savings|rent is|tax(?:es)?|insurance|pays? (?:\$|€|£)?\d+)\b|[$€£]\d",
        r"(?i)\b(?:prefers?|likes?|loves?|hates?|dislikes?|favou?rite|enjoys?|can't stand|vegetarian|vegan|pescatarian|allergic to noise|fan of|interested in)\b",
        r"(?i)\b(?:wife|husband|spouse|partner|girlfriend|boyfriend|fianc[ée]+|married|engaged|dating|single|brother|sister|mother|father|mom|mum|dad|parents?|sons?|daughters?|children|kids?|grand(?:mother|father|ma|pa|parents)|uncle|aunt|cousin|nephew|niece|friends?|neighbou?r)\b",
        r"(?i)\b(?:lives? (?:in|at|near)|living in|moved|relocat\w*|based in|resides?|from (?:[A-Z]\w+)|travel\w*|trip to|vacation)\b",
    ])
    .expect("the patterns are well formed")
});

static PRESSING: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)\b(?:urgent|critical|emergency|life-threatening|deadline|must (?:not|never)|never ever)\b")
});

impl Category {
    /// What a text is about.
    pub fn of(text: &str) -> Category {
        PATTERNS
            .matches(text)
            .iter()
            .next()
            .map_or(Category::General, |first| ORDER[first])
    }

    /// The name that the API uses: `health_medical`, `legal_status`, …
    pub fn name(self) -> &'static str {
        match self {
            Category::HealthMedical => "health_medical",
            Category::LegalStatus => "legal_status",
            Category::Identity => "identity",
            Category::Contact => "contact",
            Category::Employment => "employment",
            Category::Schedule => "schedule",
            Category::Financial => "financial",
            Category::Preference => "preference",
            Category::Relationship => "relationship",
            Category::Location => "location",
            Category::General => "general",
        }
    }

    fn importance(self) -> u8 {
        match self {
            Category::HealthMedical => 9,
            Category::LegalStatus | Category::Identity | Category::Contact | Category::Employment => 8,
            Category::Location | Category::Relationship => 7,
            Category::Schedule | Category::Financial => 6,
            Category::Preference | Category::General => 5,
        }
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How much a fact matters, 1 to 10: by its category, at least 9 if it presses, one more if the speaker asked to
/// remember it.
pub(crate) fn importance(text: &str, category: Category, asked: bool) -> u8 {
    let pressing = if PRESSING.is_match(text) { 9 } else { 1 };
    (category.importance().max(pressing) + u8::from(asked)).min(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_fall_into_their_category() {
        for (text, category) in [
            ("Alice is allergic to penicillin.", Category::HealthMedical),
            ("Alice takes 20 mg every day.", Category::HealthMedical),
            ("Bob got his green card.", Category::LegalStatus),
            ("Bob is divorced.", Category::LegalStatus),
            ("The user's name is Alice", Category::Identity),
            ("Alice's phone number is 555-0100", Category::Contact),
            ("Alice works at Acme.", Category::Employment),
            ("The design meeting moved to 3pm.", Category::Schedule),
            ("Alice plays pickleball every Tuesday", Category::Schedule),
            ("The plan costs $30.", Category::Financial),
            ("Alice prefers tea.", Category::Preference),
            ("Alice's brother is tall.", Category::Relationship),
            ("Alice lives in Oslo.", Category::Location),
            ("The staging database is db-7.internal.", Category::General),
        ] {
            assert_eq!(Category::of(text), category, "{text}");
        }
    }

    #[test]
    fn importance_stays_on_its_scale() {
        assert_eq!(
            importance("Alice is allergic to nuts", Category::HealthMedical, true),
            10
        );
        assert_eq!(importance("It is urgent", Category::General, false), 9);
        assert_eq!(importance("Alice likes tea", Category::Preference, false), 5);
    }
}
