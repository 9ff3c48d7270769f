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
    /// `p` the preposition before the value, `r` the role and `n` the thing counted or the verb, which belong to the
    /// subject; `k` is a verb so common that the value must be a known one, `z` a value that is one no longer.
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
    ("{becomes}", r"(?:is|became|was (?:made|named|appointed)|has become)"),
    ("{group}", r"(?P<s>[^,;:!?]+?)"),
    ("{time}", r"(?P<v>[\w:., -]+?)"),
    ("{money}", r"(?P<v>[$€£]? ?\d[\d.,]*(?: ?(?:dollars|euros|pounds|USD|EUR|GBP|€|\$))?(?: (?:per|a|an|each) ?\w*)?)"),
    ("{possessive}", r"(?:his|her|their|\p{Lu}[\w-]*(?:'s|’s|'))"),
    ("{now}", r"(?:(?:now|currently|presently|still|actually) )?"),
    ("{lately}", r"(?:(?:just|recently|finally|since|now) )*"),
    ("{has}", r"(?:(?:has|have|had) )?"),
    ("{moved}", r"(?:(?:has been|had been|have been|was|were|is|got|has) )?(?:moved|changed|rescheduled|postponed|delayed|extended|pushed(?: back| out)?|brought forward|moved (?:up|back|forward))(?: from [\w: ,]+?)? (?:to|until)"),
    ("{why}", r"(?P<x>,? (?:after|because|since|due to|so)\b.*)?"),
    ("{title}", r"(?P<v>{role})"),
    ("{role}", r"(?:[\w-]+ )*?(?:[Ee]ngineer|[Mm]anager|[Dd]esigner|[Dd]eveloper|[Dd]irector|[Aa]nalyst|[Ss]cientist|[Tt]eacher|[Ll]awyer|[Nn]urse|[Aa]rchitect|[Cc]onsultant|[Aa]ccountant|[Pp]rofessor|[Ll]ead|[Pp]artner|[Ss]upervisor|[Aa]ssistant|CTO|CEO|CFO|COO|VP|[Vv]ice president)"),
    ("{event}", r"(?P<s>(?:[^,;:!?]* )?(?:[Mm]eeting|[Ss]tandup|[Ss]tand-up|[Cc]all|[Aa]ppointment|[Rr]eview|[Ss]ync|[Ff]light|[Cc]lass|[Ii]nterview|[Dd]emo|[Ss]ession|[Ll]esson|[Pp]ractice|[Rr]ehearsal|[Tt]raining|[Ee]xam|[Tt]est|[Pp]arty|[Ww]edding|[Cc]oncert|[Gg]ame|[Mm]atch|[Dd]inner|[Ll]unch|[Ww]ebinar|[Cc]onference|[Cc]eremony|[Ll]aunch|[Ss]hift|[Dd]elivery|[Cc]heck-?up|[Rr]etro|[Rr]etrospective|[Ww]orkshop|[Tt]alk|[Hh]earing)(?: with [^,;:!?]+?)?)"),
    ("{work}", r"(?:report|project|invoice|task|release|assignment|essay|paper|thesis|proposal|application|rent|payment|bill|budget|presentation|homework|manuscript|draft|submission|milestone|deliverable|prototype|contract|form|review)"),
];

type Row = (Kind, bool, &'static [&'static str], &'static str);

#[rustfmt::skip]
const ROWS: &[Row] = &[
    (Residence, false, &["live", "resid", "based", "living", "located", "headquartered"],
        r"{subject} {now}(?:lives?|resides?|is {now}(?:based|living|located|headquartered|residing))(?: back)?(?: now)? (?:in|at|out of) {value}(?: now| currently| these days| at the moment)?"),
    (Residence, true, &["moved", "relocated"],
        r"{subject} {has}{lately}(?:moved|relocated)(?: back)?(?: from \p{Lu}[^,;:!?]*?)? to {value}(?: (?:an?|one|two|three|four|five|six|several|\d+|a few|a couple of) (?:days?|weeks?|months?) ago)?(?P<x> (?:for|with|because|after|last|this|yesterday|today|recently|and|in|on|to|at|when|as|where)\b.*)?"),
    (Residence, false, &["address"],
        r"{owner}(?: (?:home|postal|mailing|current))* address is {now}{value}(?: now)?"),
    (Residence, true, &["address"],
        r"{owner} new (?:(?:home|postal|mailing) )?address is {now}{value}"),
    (Residence, false, &["home is", "home city"],
        r"{owner} home(?: city)? is (?P<e>now )?(?:in )?{value}"),
    (Residence, false, &[" in "],
        r"(?P<s>(?:[^,;:!?]* )?(?:[Oo]ffice|[Hh]eadquarters|HQ|[Ww]arehouse|[Ff]actory|[Ss]tudio|[Ss]hop|[Dd]ata cent(?:er|re))) (?:is|are) {now}in {value}(?: now)?"),
    (Residence, true, &["moved"],
        r"{subject} {has}{lately}moved (?:out of|away from) (?P<z>[^,;:!?]+?)"),
    (Employer, false, &["work", "employed"],
        r"{subject} {now}(?:works?|is {now}working|is {now}employed)(?: now)? (?P<p>at|for|by) {value}(?P<x> as .*)?(?: now)?"),
    (Employer, true, &["work"],
        r"{subject} {has}{lately}(?:switched|changed) (?:jobs|companies|employers)(?: and)?(?: is)?(?: now)? (?:works?|working) (?P<p>at|for) {value}(?: now)?"),
    (Employer, true, &["started"],
        r"{subject} {has}{lately}started (?:working )?(?P<p>at|for) {value}(?P<x> (?:as|last|this|on|in) .*)?"),
    (Employer, true, &["left"],
        r"{subject} {has}{lately}left (?P<f>[^,;:!?]+?) (?:for|to join|and (?:has )?joined|and (?:now )?works? (?:at|for)|to work (?:at|for)) {value}(?: now)?"),
    (Employer, true, &["left", "quit", "resigned", "fired", "laid off", "let go", "retired", "working"],
        r"{subject} {has}{lately}(?:(?:left|quit|lost) {possessive} (?:job|position|role) (?:at|with)|left|quit|resigned from|retired from|(?:was|got) {lately}(?:fired|laid off|let go) (?:from|by)|stopped working (?:at|for)) (?P<z>[^,;:!?]+?)(?: (?:last|this) \w+| yesterday| today)?"),
    (Employer, true, &["joined"],
        r"{subject} {has}{lately}joined {value} as (?:an? |the |its )?(?:new )?{role}(?: (?:last|this) \w+| yesterday| today)?"),
    (Employer, true, &["job", "position", "role", "working"],
        r"{subject} {has}{lately}(?:started|took|got|accepted|found|landed|has) (?:working|a new (?:job|position|role)|a (?:job|position|role)|{possessive} new (?:job|position|role)) (?:at|with|for) {value}(?P<x> (?:as|last|this|in|on) .*)?"),
    (Title, true, &["promoted"],
        r"{subject} (?:was|has been|got|is)(?: just| recently| now)* promoted(?: from (?P<f>[\w -]+?))? to (?:an? |the )?{title}(?P<x> .*)?"),
    (Title, false, &[" is ", "works as", "became"],
        r"{subject} (?:is|works as|became) (?:(?P<e>now )|currently |still |actually )?(?:an? |the )?{title}(?P<x> (?:at|for|in) .*)?"),
    (Favorite, false, &["favorite", "favourite"],
        r"(?P<s>\p{Lu}[\w-]*(?:'s|’s|') (?:(?:new|current|all-time|absolute) )*favou?rite [^,;:!?]+?) is {now}{value}(?: now)?"),
    (Favorite, true, &["changed"],
        r"(?P<s>\p{Lu}[\w-]*(?:'s|’s|') favou?rite [^,;:!?]+?) (?:has )?changed(?: from (?P<f>[^,;:!?]+?))? to {value}"),
    (Preference, false, &[" wants "],
        r"{subject} (?:(?:now|currently|really|actually) )?wants (?P<v>[\w -]*(?:answers|replies|responses|explanations|reports|summaries|updates))(?: now| these days)?"),
    (Preference, false, &["prefer"],
        r"{subject} (?:(?:now|currently|really|actually) )?prefers? {value}(?: (?:over|to|instead of|rather than) (?P<f>[\w' -]+?))?(?: now| these days)?"),
    (Tool, false, &[" use"],
        r"{subject} {now}uses? {value}(?P<c> (?:for|as|at) [^,;:!?]+?)?(?: now| instead| these days)?"),
    (Tool, true, &["switched", "migrated", "moved", "changed"],
        r"{subject} {has}{lately}(?:switched|migrated|(?P<k>moved|changed))(?: over| back)?(?: from (?P<f>[^,;:!?]+?))? to {value}(?P<c> (?:for|as|at) [^,;:!?]+?)?(?: now| instead| last \w+| this \w+| yesterday| today)?"),
    (Tool, false, &[" run", "written in", "on "],
        r"{subject} (?:{now}(?P<p>runs?|is {now}running)(?: on)?|(?:is|was) {now}written in) {value}(?: now)?"),
    (Tool, false, &[" at ", " on "],
        r"{subject} (?P<p>is|are) {now}(?:on|at) (?P<v>(?:\p{Lu}[\w.+#-]* )?(?:version )?v?\d[\d.]*)(?: now)?"),
    (Tool, true, &["upgraded", "updated", "downgraded", "rewritten"],
        r"{subject} {has}{lately}(?:was |were |been |is )?{lately}(?:(?:upgraded|updated|downgraded)(?: from (?P<f>[^,;:!?]+?))? to|rewritten in) (?P<v>\p{Lu}[\w.+#-]*(?: [\w.+#-]+)?|(?:version )?v?\d[\w.]*)(?: last \w+| this \w+| yesterday| today)?"),
    (Tool, false, &[" drive"],
        r"{subject} (?:(?P<e>now )|currently )?drives? (?:an? )?{value}(?: now)?"),
    (Tool, true, &["using"],
        r"{subject} {has}{lately}stopped using (?P<z>[^,;:!?]+?)"),
    (School, false, &["attend", "stud", "goes to", "enrolled"],
        r"{subject} {now}(?:attends|studies at|goes to|is {now}(?:studying|enrolled) at) {value}(?: now)?"),
    (School, true, &["transferred"],
        r"{subject} {has}{lately}transferred(?: from (?P<f>[^,;:!?]+?))? to {value}"),
    (Diet, false, &["eats meat"],
        r"{subject} {now}eats (?P<v>meat)(?: now)?"),
    (Diet, false, &["vegetarian", "vegan", "pescatarian", "omnivore", "carnivore", "flexitarian"],
        r"{subject} (?:is|has become|became|went|has gone|turned|has turned) {now}(?:a |an )?(?:strict )?(?P<v>vegetarian|vegan|pescatarian|omnivore|carnivore|flexitarian)(?P<x>(?: (?:and|but|because|since|for|as|after)\b|[,;:]).*)?(?: now| again)?"),
    (Diet, true, &["eating"],
        r"{subject} {has}(?:started|is|began|went back to) eating (?P<v>meat|fish)(?: again)?(?P<x>[,;:].*| now)?"),
    (Diet, true, &["eats"],
        r"{subject} {now}eats (?P<v>meat|fish) again(?: now)?"),
    (Lead, false, &[" is ", "became", "become", "made", "named", "appointed"],
        r"{person} {becomes} (?:now )?(?:the )?(?P<new>new )?(?:current )?(?P<r>team lead|tech lead|lead|leader|head|captain|president|chair|chairperson|mayor|CEO|CTO|CFO|COO) (?:on|of|for|at) {group}(?: now)?"),
    // Of these a company may have several, but one that is called "the".
    (Lead, false, &[" is ", "became", "become", "made", "named", "appointed"],
        r"{person} {becomes} (?:now )?the (?P<new>new )?(?:current )?(?P<r>manager|director|coach|principal|owner) (?:on|of|for|at) {group}(?: now)?"),
    (Lead, false, &["leads", "heads", "manages", "owns", "responsible", "charge"],
        r"{person} (?:now )?(?P<r>leads|heads|manages|owns) {group}(?: now)?"),
    (Lead, false, &["responsible", "charge"],
        r"{person} is (?:now )?(?P<r>responsible for|in charge of) {group}(?: now)?"),
    (Assignee, false, &["assigned"],
        r"{group} (?:is|was|has been)(?: now| currently)? (?P<e>re)?assigned to {person}(?: now)?"),
    (Count, false, &["weighs"],
        r"{subject} {now}(?P<n>weighs) (?P<v>\d[\d.]* ?(?:kg|kilos|kilograms|lbs?|pounds|g|grams|tons))(?: now)?"),
    (Possession, false, &[" has ", " owns "],
        r"{subject} {now}(?:has|owns) an? (?P<v>[\w -]+?)"),
    (Possession, true, &["sold", "gave away", "lost", "returned"],
        r"{subject} {has}{lately}(?:sold|gave away|lost|returned) (?:the|its|{possessive}) (?P<z>[\w -]+?)(?: (?:last|this) \w+| yesterday| today)?"),
    (Count, false, &["has ", "have "],
        r"{subject} (?:{now}has|has {now}|have {now})(?P<v>\d+|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve) (?P<n>members|employees|children|kids|sons|daughters|siblings|brothers|sisters|grandchildren|people|bedrooms|floors|users|customers|seats|offices|pets|cats|dogs)(?: now)?"),
    (Time, false, &["leaves", "departs", "opens", "closes", "arrives", "ends"],
        r"{group} {now}(?P<n>leaves|departs|opens|closes|arrives|ends) (?:at |on ){time}(?: now)?"),
    (Lead, true, &[" over "],
        r"{person} (?:took|has taken|takes) over (?:as )?(?:the )?(?:new )?(?P<r>team lead|lead|head|manager|director|captain|coach) (?:on|of|for|at) {group}"),
    (Time, false, &[" is ", "starts", "takes place"],
        r"{event} (?:is {now}(?:scheduled |planned )?(?:for |at |on )?|{now}starts (?:at |on )?|takes place (?:at |on )?){time}"),
    (Time, true, &[" to ", " until "],
        r"{event} {moved} {time}{why}"),
    (Due, false, &[" due "],
        r"(?P<s>(?:[^,;:!?]* )?(?:{work}|[Pp]roject \p{Lu}[\w-]*)) (?:is|are) {now}due (?:on |by |at )?{time}"),
    (Due, false, &["deadline", "due date"],
        r"(?P<s>[^,;:!?]+ (?:deadline|due date)(?: (?:of|for) [^,;:!?]+?)?) is {now}(?:on |set for |by )?{time}"),
    (Due, true, &[" to ", " until "],
        r"(?P<s>[^,;:!?]+ (?:deadline|due date|{work})(?: (?:of|for) [^,;:!?]+?)?) {moved} {time}{why}"),
    (Status, false, &["#", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
        r"(?P<s>(?:[^,;:!?]* )?(?:[Oo]rder|[Tt]icket|[Ii]ssue|[Tt]ask|[Bb]uild|[Cc]ase|[Bb]ug|[Pp]ull request|PR|[Ss]hipment|[Pp]ackage|[Ii]nvoice)\s+#?[\w-]*\d[\w-]*) (?:is|has|was|has been)(?: just| now| currently| still| been)* (?P<v>pending|processing|confirmed|in transit|out for delivery|shipped|delivered|lost|cancell?ed|open|reopened|closed|resolved|done|blocked|in progress|in review|failed|passed|green|red|merged|approved|rejected|paid|unpaid|overdue|refunded|returned|on hold)(?P<x> .*)?"),
    (Priority, false, &["priority"],
        r"{subject} (?:is|was|has been|has)(?: now| still| been)*(?P<e> escalated| raised| lowered| downgraded| bumped)?(?: to)? (?:priority (?P<v>P?\d|low|medium|high|critical|urgent)|(?P<w>low|medium|high|critical|P\d)[ -]priority)(?P<x> .*)?"),
    (Priority, false, &[" P"],
        r"{subject} (?:is|has)(?: now| still)* (?P<v>P\d)"),
    (Contact, false, &["phone", "mail", "number"],
        r"(?P<s>\p{Lu}[\w-]*(?:'s|’s|')(?: [\w-]+)*? (?:phone number|telephone number|mobile number|cell number|phone|email address|e-mail address|email|e-mail|number)) (?:is|is now|has changed to|changed to)(?: now)? (?P<v>[\w.+-]+@[\w-]+(?:\.[\w-]+)+|\+?[\d() -]+\d)"),
    (Relationship, false, &["single", "married", "engaged", "divorced", "widowed"],
        r"{subject} (?:is|got|just got|has gotten|recently got|started) {now}(?:(?:happily|recently|newly) )?(?P<v>single|married|engaged|divorced|widowed)(?P<x> (?:to \p{Lu}.*|again|now))?"),
    (Relationship, false, &["dating"],
        r"{subject} (?:is|started|began) {now}(?P<v>dating)(?: (?P<p>\p{Lu}[\w-]+))?(?: now)?"),
    (Relationship, false, &["relationship"],
        r"{subject} is {now}in a (?P<v>relationship)(?: with (?P<p>\p{Lu}[\w-]+))?"),
    (Relationship, true, &["married"],
        r"{subject} {has}{lately}(?P<v>married)(?P<x> \p{Lu}[\w-]+)(?: last \w+| this \w+| yesterday| today)?"),
    (Relationship, true, &["broke up", "split up", "separated"],
        r"{subject} {has}{lately}(?P<z>(?:broke|broken|split) up)(?: with (?P<p>\p{Lu}[\w-]+))?(?: (?:last|this) \w+| yesterday)?"),
    (Price, false, &["cost", "price"],
        r"{subject} (?:(?:now|currently) )?(?:costs?|is priced at|is now priced at)(?: now)? {money}(?: now)?"),
    (Price, true, &["price"],
        r"(?P<s>The price of [^,;:!?]+?) (?:went up|went down|rose|fell|dropped|increased|changed|was raised|was lowered|was cut)(?: from [$€£]? ?\d[\d.,]*)? to {money}"),
    (Age, false, &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
        r"{subject} (?:is|just turned|turned) {now}(?P<v>\d+)(?: years old)?(?: now| today)?"),
    (Residence, true, &["left"],
        r"{subject} {has}{lately}left (?P<f>[^,;:!?]+?) (?:for|and moved to) {value}"),
    (Time, true, &[" to "],
        r"\p{Lu}[\w ]*? (?:has |have )?(?:just )?(?:moved|pushed(?: back)?|rescheduled|postponed|delayed) {event} (?:to|until) {time}"),
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
