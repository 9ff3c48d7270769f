//! How people say where they live, for whom they work, when they meet: one pattern a way of saying it.

use std::sync::LazyLock;

use regex::Regex;

use crate::slot::Kind::{self, *};

/// One way of stating a slot.
pub(crate) struct Rule {
    pub(crate) kind: Kind,
    /// Whether the words themselves say that something changed.
    pub(crate) change: bool,
    /// Groups: `s` subject, `v` (or `w`) value, `f` the value before, `x` anything more that is said, `c` the purpose
    /// `p` the preposition before the value, and `r` the role, which belong to the subject; `k` is a verb so common that the value must be a known one.
    pub(crate) pattern: Regex,
    /// One of these words is in every clause that matches.
    pub(crate) words: &'static [&'static str],
}

/// What stands in braces in the patterns below. Lengths and forms of subjects and values are not looked at here but
/// by `slot::accepts`: counted repetitions of Unicode classes make patterns huge.
#[rustfmt::skip]
const PARTS: &[(&str, &str)] = &[
    ("{subject}", r"(?P<s>\p{Lu}[^,;:!?]*?)"),
    ("{owner}", r"(?P<s>\p{Lu}[\w-]*(?:'s|’s|'))"),
    ("{value}", r"(?P<v>[^;:!?]+?)"),
    ("{person}", r"(?P<v>\p{Lu}[^,;:!? ]*(?: \p{Lu}[^,;:!? ]*)?)"),
    ("{group}", r"(?P<s>[^,;:!?]+?)"),
    ("{time}", r"(?P<v>[\w:., -]+?)"),
    ("{money}", r"(?P<v>[$€£]? ?\d[\d.,]*(?: ?(?:dollars|euros|pounds|USD|EUR|GBP|€|\$))?(?: (?:per|a|an|each) ?\w*)?)"),
    ("{now}", r"(?:(?:now|currently|presently|still|actually) )?"),
    ("{lately}", r"(?:(?:just|recently|finally|now) )*"),
    ("{has}", r"(?:(?:has|have|had) )?"),
    ("{moved}", r"(?:(?:has been|had been|have been|was|were|is|got|has) )?(?:moved|changed|rescheduled|postponed|delayed|extended|pushed(?: back| out)?|brought forward|moved (?:up|back|forward))(?: from [\w: ,]+?)? (?:to|until)"),
    ("{why}", r"(?P<x>,? (?:after|because|since|due to|so)\b.*)?"),
    ("{title}", r"(?P<v>(?:[\w-]+ )*?(?:[Ee]ngineer|[Mm]anager|[Dd]esigner|[Dd]eveloper|[Dd]irector|[Aa]nalyst|[Ss]cientist|[Tt]eacher|[Ll]awyer|[Nn]urse|[Aa]rchitect|[Cc]onsultant|[Aa]ccountant|[Pp]rofessor|[Ll]ead|[Pp]artner|[Ss]upervisor|[Aa]ssistant|CTO|CEO|CFO|COO|VP|[Vv]ice president))"),
    ("{event}", r"(?P<s>(?:[^,;:!?]* )?(?:[Mm]eeting|[Ss]tandup|[Ss]tand-up|[Cc]all|[Aa]ppointment|[Rr]eview|[Ss]ync|[Ff]light|[Cc]lass|[Ii]nterview|[Dd]emo|[Ss]ession|[Ll]esson|[Pp]ractice|[Rr]ehearsal|[Tt]raining|[Ee]xam|[Tt]est|[Pp]arty|[Ww]edding|[Cc]oncert|[Gg]ame|[Mm]atch|[Dd]inner|[Ll]unch|[Ww]ebinar|[Cc]onference|[Cc]eremony|[Ll]aunch|[Dd]elivery|[Cc]heck-?up|[Rr]etro|[Rr]etrospective|[Ww]orkshop|[Tt]alk|[Hh]earing)(?: with [^,;:!?]+?)?)"),
    ("{work}", r"(?:report|project|invoice|task|release|assignment|essay|paper|thesis|proposal|application|rent|payment|bill|budget|presentation|homework|manuscript|draft|submission|milestone|deliverable|prototype|contract|form|review)"),
];

type Row = (Kind, bool, &'static [&'static str], &'static str);

#[rustfmt::skip]
const ROWS: &[Row] = &[
    (Residence, false, &["live", "reside", "based", "living"],
        r"{subject} {now}(?:lives?|resides?|is based|is living)(?: back)?(?: now)? (?:in|at) {value}(?: now| currently| these days| at the moment)?"),
    (Residence, true, &["moved", "relocated"],
        r"{subject} {has}{lately}(?:moved|relocated)(?: back)?(?: from \p{Lu}[^,;:!?]*?)? to {value}(?P<x> (?:for|with|because|after|last|this|yesterday|today|recently|and|in|on|to|at|when|as|where)\b.*)?"),
    (Residence, false, &["address"],
        r"{owner}(?: (?:home|postal|mailing|current))* address is {now}{value}(?: now)?"),
    (Residence, true, &["address"],
        r"{owner} new (?:(?:home|postal|mailing) )?address is {now}{value}"),
    (Employer, false, &["work", "employed"],
        r"{subject} {now}(?:works?|is {now}working|is {now}employed)(?: now)? (?P<p>at|for|by) {value}(?P<x> as .*)?(?: now)?"),
    (Employer, true, &["job", "position", "role", "working"],
        r"{subject} {has}{lately}(?:started|took|got|accepted|found|landed|has) (?:working|a new (?:job|position|role)|a (?:job|position|role)|(?:\p{Lu}\w*'s?|his|her|their) new (?:job|position|role)) (?:at|with|for) {value}(?P<x> (?:as|last|this|in|on) .*)?"),
    (Employer, true, &["left"],
        r"{subject} {has}{lately}left (?P<f>[^,;:!?]+?) (?:for|to join|and joined|to work (?:at|for)) {value}"),
    (Title, true, &["promoted"],
        r"{subject} (?:was|has been|got|is)(?: just| recently| now)* promoted(?: from (?P<f>[\w -]+?))? to (?:an? |the )?{title}(?P<x> .*)?"),
    (Title, false, &[" is ", "works as", "became"],
        r"{subject} (?:is|works as|became) {now}(?:an? |the )?{title}(?P<x> (?:at|for|in) .*)?"),
    (Favorite, false, &["favorite", "favourite"],
        r"(?P<s>\p{Lu}[\w-]*(?:'s|’s|') (?:(?:new|current|all-time|absolute) )*favou?rite [^,;:!?]+?) is {now}{value}(?: now)?"),
    (Preference, false, &["prefer"],
        r"{subject} (?:(?:now|currently|really|actually) )?prefers? {value}(?: (?:over|to|instead of|rather than) (?P<f>[\w' -]+?))?(?: now| these days)?"),
    (Tool, false, &[" use"],
        r"{subject} {now}uses? {value}(?P<c> (?:for|as|at) [^,;:!?]+?)?(?: now| instead| these days)?"),
    (Tool, true, &["switched", "migrated", "moved", "changed"],
        r"{subject} {has}{lately}(?:switched|migrated|(?P<k>moved|changed))(?: over| back)?(?: from (?P<f>[^,;:!?]+?))? to {value}(?P<c> (?:for|as|at) [^,;:!?]+?)?(?: now| instead| last \w+| this \w+| yesterday| today)?"),
    (Diet, false, &["vegetarian", "vegan", "pescatarian", "omnivore", "carnivore", "flexitarian"],
        r"{subject} (?:is|has become|became|went|has gone|turned|has turned) {now}(?:a |an )?(?:strict )?(?P<v>vegetarian|vegan|pescatarian|omnivore|carnivore|flexitarian)(?P<x>(?: (?:and|but|because|since|for|as|after)\b|[,;:]).*)?(?: now| again)?"),
    (Diet, true, &["eating"],
        r"{subject} {has}(?:started|is|began|went back to) eating (?P<v>meat|fish)(?: again)?(?P<x>[,;:].*| now)?"),
    (Diet, true, &["eats"],
        r"{subject} {now}eats (?P<v>meat|fish) again(?: now)?"),
    (Lead, false, &[" is ", "became", "become", "made", "named", "appointed"],
        r"{person} (?:is|became|was (?:made|named|appointed)|has become) (?:now )?(?:the )?(?P<new>new )?(?:current )?(?P<r>team lead|tech lead|lead|leader|head|manager|director|captain|president|chair|chairperson|coach|principal|mayor|CEO|CTO|CFO|COO) (?:on|of|for|at) {group}(?: now)?"),
    (Lead, false, &["leads", "heads"],
        r"{person} (?:now )?(?P<r>leads|heads) {group}(?: now)?"),
    (Lead, true, &[" over "],
        r"{person} (?:took|has taken|takes) over (?:as )?(?:the )?(?:new )?(?P<r>team lead|lead|head|manager|director|captain|coach) (?:on|of|for|at) {group}"),
    (Time, false, &[" is ", "starts", "takes place"],
        r"{event} (?:is {now}(?:scheduled )?(?:for |at |on )?|starts (?:at |on )?|takes place (?:at |on )?){time}"),
    (Time, true, &[" to ", " until "],
        r"{event} {moved} {time}{why}"),
    (Due, false, &[" due "],
        r"(?P<s>(?:[^,;:!?]* )?{work}) (?:is|are) {now}due (?:on |by |at )?{time}"),
    (Due, false, &["deadline", "due date"],
        r"(?P<s>[^,;:!?]+ (?:deadline|due date)(?: (?:of|for) [^,;:!?]+?)?) is {now}(?:on |set for |by )?{time}"),
    (Due, true, &[" to ", " until "],
        r"(?P<s>[^,;:!?]+ (?:deadline|due date|{work})(?: (?:of|for) [^,;:!?]+?)?) {moved} {time}{why}"),
    (Status, false, &["#", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
        r"(?P<s>(?:[^,;:!?]* )?(?:[Oo]rder|[Tt]icket|[Ii]ssue|[Tt]ask|[Bb]uild|[Cc]ase|[Bb]ug|[Pp]ull request|PR|[Ss]hipment|[Pp]ackage|[Ii]nvoice)\s+#?[\w-]*\d[\w-]*) (?:is|has|was|has been)(?: just| now| currently| still| been)* (?P<v>pending|shipped|delivered|cancell?ed|open|reopened|closed|resolved|done|blocked|in progress|in review|failed|passed|green|red|merged|approved|rejected|paid|unpaid|overdue|refunded|returned|on hold)(?P<x> .*)?"),
    (Priority, false, &["priority"],
        r"{subject} (?:is|was|has been|has)(?: now| still| been)*(?P<e> escalated| raised| lowered| downgraded| bumped)?(?: to)? (?:priority (?P<v>P?\d|low|medium|high|critical|urgent)|(?P<w>low|medium|high|critical|P\d)[ -]priority)(?P<x> .*)?"),
    (Contact, false, &["phone", "mail", "number"],
        r"(?P<s>\p{Lu}[\w-]*(?:'s|’s|')(?: [\w-]+)*? (?:phone number|telephone number|mobile number|cell number|phone|email address|e-mail address|email|e-mail|number)) (?:is|has changed to|changed to)(?: now)? (?P<v>[\w.+-]+@[\w-]+(?:\.[\w-]+)+|\+?[\d() -]+\d)"),
    (Relationship, false, &["single", "married", "engaged", "divorced", "widowed"],
        r"{subject} (?:is|got|just got|has gotten|recently got) {now}(?:(?:happily|recently|newly) )?(?P<v>single|married|engaged|divorced|widowed)(?P<x> (?:to \p{Lu}.*|again|now))?"),
    (Price, false, &["cost", "price"],
        r"{subject} (?:(?:now|currently) )?(?:costs?|is priced at|is now priced at)(?: now)? {money}(?: now)?"),
    (Price, true, &["price"],
        r"(?P<s>The price of [^,;:!?]+?) (?:went up|went down|rose|fell|dropped|increased|changed|was raised|was lowered|was cut)(?: from [$€£]? ?\d[\d.,]*)? to {money}"),
    (Age, false, &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
        r"{subject} (?:is|just turned|turned) {now}(?P<v>\d+)(?: years old)?(?: now| today)?"),
];

/// All rules, in the order in which they are tried.
pub(crate) static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let rule = |&(kind, change, words, pattern): &Row| {
        let whole = PARTS.iter().fold(format!("^{pattern}$"), |whole, (name, part)| {
            whole.replace(name, part)
        });
        Rule {
            kind,
            change,
            words,
            pattern: crate::pattern::pattern(&whole),
        }
    };
    ROWS.iter().map(rule).collect()
});
