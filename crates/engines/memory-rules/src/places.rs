//! Enough geography to tell a move from a detail: "Texas" and "Houston" agree, "Berlin" and "Oslo" do not.

/// Countries and states, each with the cities whose name alone means the one in it. Lower case.
#[rustfmt::skip]
const REGIONS: &[(&str, &[&str])] = &[
    ("argentina", &["buenos aires", "cordoba", "mendoza", "rosario"]),
    ("australia", &["adelaide", "brisbane", "canberra", "hobart", "melbourne", "perth", "sydney"]),
    ("austria", &["graz", "innsbruck", "linz", "salzburg", "vienna"]),
    ("bangladesh", &["chittagong", "dhaka"]),
    ("belgium", &["antwerp", "bruges", "brussels", "ghent", "leuven"]),
    ("brazil", &["brasilia", "curitiba", "fortaleza", "porto alegre", "recife", "rio de janeiro", "salvador", "sao paulo"]),
    ("bulgaria", &["plovdiv", "sofia", "varna"]),
    ("canada", &["calgary", "edmonton", "halifax", "montreal", "ottawa", "quebec city", "toronto", "vancouver", "winnipeg"]),
    ("chile", &["santiago", "valparaiso"]),
    ("china", &["beijing", "chengdu", "guangzhou", "hangzhou", "nanjing", "shanghai", "shenzhen", "wuhan", "xi'an"]),
    ("colombia", &["bogota", "cali", "cartagena", "medellin"]),
    ("croatia", &["dubrovnik", "split", "zagreb"]),
    ("czech republic", &["brno", "ostrava", "prague"]),
    ("denmark", &["aarhus", "copenhagen", "odense"]),
    ("egypt", &["alexandria", "cairo", "giza"]),
    ("england", &["birmingham", "brighton", "bristol", "leeds", "liverpool", "london", "manchester", "newcastle", "nottingham", "oxford", "sheffield", "york"]),
    ("estonia", &["tallinn", "tartu"]),
    ("ethiopia", &["addis ababa"]),
    ("finland", &["espoo", "helsinki", "oulu", "tampere", "turku"]),
    ("france", &["bordeaux", "grenoble", "lille", "lyon", "marseille", "montpellier", "nantes", "nice", "paris", "rennes", "strasbourg", "toulouse"]),
    ("germany", &["aachen", "augsburg", "berlin", "bonn", "bremen", "cologne", "dortmund", "dresden", "dusseldorf", "essen", "frankfurt", "freiburg", "hamburg", "hanover", "heidelberg", "karlsruhe", "kiel", "leipzig", "mainz", "mannheim", "munich", "nuremberg", "potsdam", "stuttgart"]),
    ("ghana", &["accra", "kumasi"]),
    ("greece", &["athens", "heraklion", "patras", "thessaloniki"]),
    ("hungary", &["budapest", "debrecen"]),
    ("iceland", &["reykjavik"]),
    ("india", &["ahmedabad", "bangalore", "bengaluru", "chennai", "delhi", "goa", "hyderabad", "jaipur", "kolkata", "mumbai", "new delhi", "pune"]),
    ("indonesia", &["bali", "bandung", "jakarta", "surabaya"]),
    ("iran", &["isfahan", "shiraz", "tehran"]),
    ("iraq", &["baghdad", "erbil"]),
    ("ireland", &["cork", "dublin", "galway", "limerick"]),
    ("israel", &["haifa", "jerusalem", "tel aviv"]),
    ("italy", &["bologna", "florence", "genoa", "milan", "naples", "palermo", "rome", "siena", "trieste", "turin", "venice", "verona"]),
    ("japan", &["fukuoka", "hiroshima", "kobe", "kyoto", "nagoya", "osaka", "sapporo", "tokyo", "yokohama"]),
    ("kenya", &["mombasa", "nairobi"]),
    ("latvia", &["riga"]),
    ("lithuania", &["kaunas", "vilnius"]),
    ("luxembourg", &[]),
    ("malaysia", &["kuala lumpur", "penang"]),
    ("mexico", &["cancun", "guadalajara", "mexico city", "monterrey", "oaxaca", "puebla", "tijuana"]),
    ("morocco", &["casablanca", "fez", "marrakesh", "rabat", "tangier"]),
    ("nepal", &["kathmandu"]),
    ("netherlands", &["amsterdam", "delft", "eindhoven", "groningen", "haarlem", "leiden", "maastricht", "rotterdam", "the hague", "utrecht"]),
    ("new zealand", &["auckland", "christchurch", "dunedin", "queenstown", "wellington"]),
    ("nigeria", &["abuja", "ibadan", "kano", "lagos"]),
    ("northern ireland", &["belfast", "derry"]),
    ("norway", &["bergen", "oslo", "stavanger", "tromso", "trondheim"]),
    ("pakistan", &["islamabad", "karachi", "lahore"]),
    ("peru", &["arequipa", "cusco", "lima"]),
    ("philippines", &["cebu", "davao", "manila"]),
    ("poland", &["gdansk", "katowice", "krakow", "lodz", "poznan", "warsaw", "wroclaw"]),
    ("portugal", &["braga", "coimbra", "faro", "lisbon", "porto"]),
    ("romania", &["bucharest", "cluj", "timisoara"]),
    ("russia", &["kazan", "moscow", "novosibirsk", "saint petersburg", "st petersburg"]),
    ("saudi arabia", &["jeddah", "riyadh"]),
    ("scotland", &["aberdeen", "dundee", "edinburgh", "glasgow", "inverness"]),
    ("senegal", &["dakar"]),
    ("serbia", &["belgrade", "novi sad"]),
    ("singapore", &[]),
    ("slovakia", &["bratislava", "kosice"]),
    ("slovenia", &["ljubljana", "maribor"]),
    ("south africa", &["cape town", "durban", "johannesburg", "pretoria"]),
    ("south korea", &["busan", "daegu", "incheon", "seoul"]),
    ("spain", &["barcelona", "bilbao", "granada", "madrid", "malaga", "palma", "seville", "valencia", "zaragoza"]),
    ("sri lanka", &["colombo", "kandy"]),
    ("sweden", &["gothenburg", "lund", "malmo", "stockholm", "uppsala"]),
    ("switzerland", &["basel", "bern", "geneva", "lausanne", "lugano", "zurich"]),
    ("taiwan", &["kaohsiung", "taichung", "taipei"]),
    ("tanzania", &["arusha", "dar es salaam"]),
    ("thailand", &["bangkok", "chiang mai", "phuket"]),
    ("tunisia", &["sousse", "tunis"]),
    ("turkey", &["ankara", "antalya", "bursa", "istanbul", "izmir"]),
    ("uganda", &["kampala"]),
    ("ukraine", &["kharkiv", "kyiv", "lviv", "odesa"]),
    ("united arab emirates", &["abu dhabi", "dubai", "sharjah"]),
    ("uruguay", &["montevideo"]),
    ("venezuela", &["caracas"]),
    ("vietnam", &["da nang", "hanoi", "ho chi minh city", "saigon"]),
    ("wales", &["cardiff", "swansea"]),
    ("alabama", &["huntsville", "mobile", "montgomery"]),
    ("alaska", &["anchorage", "fairbanks", "juneau"]),
    ("arizona", &["flagstaff", "mesa", "phoenix", "scottsdale", "tempe", "tucson"]),
    ("arkansas", &["little rock"]),
    ("california", &["anaheim", "bakersfield", "berkeley", "cupertino", "fresno", "irvine", "long beach", "los angeles", "malibu", "mountain view", "oakland", "palo alto", "pasadena", "sacramento", "san diego", "san francisco", "san jose", "santa barbara", "santa cruz", "santa monica", "sunnyvale"]),
    ("colorado", &["aspen", "boulder", "colorado springs", "denver", "fort collins"]),
    ("connecticut", &["hartford", "new haven", "stamford"]),
    ("delaware", &["dover", "wilmington"]),
    ("florida", &["fort lauderdale", "gainesville", "jacksonville", "key west", "miami", "orlando", "pensacola", "sarasota", "tallahassee", "tampa"]),
    ("georgia", &["athens georgia", "atlanta", "augusta", "savannah"]),
    ("hawaii", &["honolulu"]),
    ("idaho", &["boise"]),
    ("illinois", &["chicago", "evanston", "peoria"]),
    ("indiana", &["fort wayne", "indianapolis"]),
    ("iowa", &["cedar rapids", "des moines"]),
    ("kansas", &["topeka", "wichita"]),
    ("kentucky", &["lexington", "louisville"]),
    ("louisiana", &["baton rouge", "new orleans"]),
    ("maine", &["bangor"]),
    ("maryland", &["annapolis", "baltimore", "bethesda"]),
    ("massachusetts", &["boston", "salem", "somerville", "worcester"]),
    ("michigan", &["ann arbor", "detroit", "grand rapids", "lansing"]),
    ("minnesota", &["duluth", "minneapolis", "saint paul", "st paul"]),
    ("mississippi", &["biloxi"]),
    ("missouri", &["kansas city", "st louis"]),
    ("montana", &["billings", "bozeman", "missoula"]),
    ("nebraska", &["omaha"]),
    ("nevada", &["las vegas", "reno"]),
    ("new hampshire", &["concord"]),
    ("new jersey", &["hoboken", "jersey city", "newark", "princeton", "trenton"]),
    ("new mexico", &["albuquerque", "santa fe"]),
    ("new york", &["albany", "brooklyn", "buffalo", "ithaca", "manhattan", "new york city", "nyc", "queens", "staten island", "syracuse", "the bronx"]),
    ("north carolina", &["asheville", "chapel hill", "charlotte", "durham", "greensboro", "raleigh"]),
    ("north dakota", &["bismarck", "fargo"]),
    ("ohio", &["akron", "cincinnati", "cleveland", "columbus", "dayton", "toledo"]),
    ("oklahoma", &["oklahoma city", "tulsa"]),
    ("oregon", &["bend", "eugene", "portland"]),
    ("pennsylvania", &["harrisburg", "philadelphia", "pittsburgh", "scranton"]),
    ("rhode island", &["newport", "providence"]),
    ("south carolina", &["charleston", "greenville", "myrtle beach"]),
    ("south dakota", &["rapid city", "sioux falls"]),
    ("tennessee", &["chattanooga", "knoxville", "memphis", "nashville"]),
    ("texas", &["austin", "dallas", "el paso", "fort worth", "galveston", "houston", "lubbock", "plano", "san antonio", "waco"]),
    ("utah", &["park city", "provo", "salt lake city"]),
    ("vermont", &["burlington", "montpelier"]),
    ("virginia", &["alexandria virginia", "arlington", "charlottesville", "norfolk", "richmond"]),
    ("washington", &["bellevue", "olympia", "redmond", "seattle", "spokane", "tacoma"]),
    ("washington dc", &["washington d.c", "georgetown"]),
    ("west virginia", &["morgantown"]),
    ("wisconsin", &["green bay", "madison", "milwaukee"]),
    ("wyoming", &["cheyenne", "jackson hole"]),
];

/// The first of [`REGIONS`] that is a state of the USA.
const FIRST_STATE: &str = "alabama";

/// Regions made of others, and other names of regions.
#[rustfmt::skip]
const WHOLES: &[(&str, &[&str])] = &[
    ("america", &["united states"]),
    ("britain", &["england", "scotland", "wales"]),
    ("dc", &["washington dc"]),
    ("d.c", &["washington dc"]),
    ("great britain", &["england", "scotland", "wales"]),
    ("holland", &["netherlands"]),
    ("korea", &["south korea"]),
    ("the netherlands", &["netherlands"]),
    ("the states", &["united states"]),
    ("the uae", &["united arab emirates"]),
    ("the uk", &["england", "scotland", "wales", "northern ireland"]),
    ("the united kingdom", &["england", "scotland", "wales", "northern ireland"]),
    ("the united states", &["united states"]),
    ("the us", &["united states"]),
    ("the usa", &["united states"]),
    ("uk", &["england", "scotland", "wales", "northern ireland"]),
    ("united kingdom", &["england", "scotland", "wales", "northern ireland"]),
    ("us", &["united states"]),
    ("usa", &["united states"]),
];

/// What two places have to do with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Places {
    /// One contains the other, or they are one under two names.
    Agree,
    /// Nobody lives in both.
    Differ,
    /// At least one of them is not known.
    Unknown,
}

/// Regions that a place lies in or is made of, `None` if it is not known.
fn regions(place: &str) -> Option<Vec<&'static str>> {
    let state = |name: &str| position(name) >= position(FIRST_STATE);
    if place == "united states"
        || WHOLES
            .iter()
            .any(|(name, parts)| *name == place && *parts == ["united states"])
    {
        return Some(
            REGIONS
                .iter()
                .map(|(name, _)| *name)
                .filter(|name| state(name))
                .collect(),
        );
    }
    if let Some((_, parts)) = WHOLES.iter().find(|(name, _)| *name == place) {
        return Some(parts.to_vec());
    }
    if let Some((name, _)) = REGIONS.iter().find(|(name, _)| *name == place) {
        return Some(vec![name]);
    }
    let (name, _) = REGIONS.iter().find(|(_, cities)| cities.contains(&place))?;
    Some(vec![name])
}

fn position(name: &str) -> Option<usize> {
    REGIONS.iter().position(|(region, _)| *region == name)
}

fn is_city(place: &str) -> bool {
    REGIONS.iter().any(|(_, cities)| cities.contains(&place))
}

/// Whether a place is a known city, state or country. Lower case.
pub(crate) fn is_known(place: &str) -> bool {
    regions(first_part(place)).is_some()
}

/// The city of "Portland, Oregon".
fn first_part(place: &str) -> &str {
    place.split(',').next().unwrap_or(place).trim()
}

/// What two places, in lower case, have to do with each other.
pub(crate) fn compare(one: &str, other: &str) -> Places {
    let (one, other) = (first_part(one), first_part(other));
    if one == other {
        return Places::Agree;
    }
    let (Some(one_regions), Some(other_regions)) = (regions(one), regions(other)) else {
        return Places::Unknown;
    };
    let overlap = one_regions.iter().any(|region| other_regions.contains(region));
    match (is_city(one), is_city(other)) {
        // New York, Brooklyn and Manhattan are all "in New York", and so are Buffalo and Albany: let them be.
        (true, true) if one_regions == ["new york"] && overlap => Places::Agree,
        (true, true) => Places::Differ,
        _ if overlap => Places::Agree,
        _ => Places::Differ,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_is_not_a_move() {
        for (one, other, expected) in [
            ("texas", "houston", Places::Agree),
            ("portland, oregon", "portland", Places::Agree),
            ("usa", "texas", Places::Agree),
            ("the us", "america", Places::Agree),
            ("the uk", "london", Places::Agree),
            ("england", "uk", Places::Agree),
            ("brooklyn", "new york", Places::Agree),
            ("berlin", "oslo", Places::Differ),
            ("texas", "ohio", Places::Differ),
            ("germany", "oslo", Places::Differ),
            ("the us", "berlin", Places::Differ),
            ("houston", "dallas", Places::Differ),
            ("berlin", "altona", Places::Unknown),
            ("springfield", "shelbyville", Places::Unknown),
        ] {
            assert_eq!(compare(one, other), expected, "{one} / {other}");
            assert_eq!(compare(other, one), expected, "{other} / {one}");
        }
        assert!(is_known("oslo") && !is_known("engineering"));
    }
}
