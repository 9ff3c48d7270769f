//! What is asked.

use pentad_grep_engine::{Mode, Query, QueryBuilder};

pub struct Asked {
    pub mode: Mode,
    pub pattern: String,
}

impl Asked {
    pub fn builder(&self) -> QueryBuilder {
        QueryBuilder::new(self.mode).pattern(self.pattern.as_str())
    }

    pub fn query(&self) -> Query {
        self.builder().build().expect("the query is valid")
    }
}

/// For the source of Linux: rare, upper-case and absent words, common words, a short one,
/// case-insensitive, regexes with and without literals, and fuzzy.
const LINUX: &str = r"
plain	sched_rt_runtime_exceeded
plain	PM_RESUME
plain	mutex_lock_nohit_interruptible
plain	mutex_lock
plain	return
plain	RCU
regex	(?i)tcp_v4_do_rcv
regex	EXPORT_SYMBOL_GPL\(kvm_\w+\)
regex	static\s+struct\s+\w+\s+\*?alloc_
regex	kvm_vcpu_kick|tcp_v4_do_rcv|ext4_mb_new_blocks|futex_wait_queue|vhost_net_ioctl
regex	\w+_nohit_(alpha|beta)_\d+
regex	[A-Z]{3}_\w+
regex	[0-9a-f]{40}
fuzzy	mutx_lock
";

/// The same kinds for Rust crates.
const RUST: &str = r"
plain	unsafe_op_in_unsafe_fn
plain	MAX_PATH_LEN
plain	deserialize_nohit_interruptible
plain	unwrap
plain	return
plain	RFC
regex	(?i)maybeuninit
regex	impl<\w+> Deref for \w+
regex	pub\s+const\s+fn\s+\w+\s*\(&self
regex	try_from_iter|AtomicWaker|poll_flush|BufReader|from_utf8_lossy
regex	\w+_nohit_(alpha|beta)_\d+
regex	[A-Z]{3}_\w+
regex	[0-9a-f]{40}
fuzzy	deserialze
";

/// `linux`, `rust`, or a file with a line `mode<tab>pattern` per query.
pub fn load(name: &str) -> Vec<Asked> {
    let from_file;
    let text = match name {
        "linux" => LINUX,
        "rust" => RUST,
        path => {
            from_file = std::fs::read_to_string(path).expect("the file of queries can be read");
            &from_file
        }
    };
    text.lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(mode, pattern)| {
            let mode = match mode {
                "plain" => Mode::Plain,
                "regex" => Mode::Regex,
                "fuzzy" => Mode::Fuzzy,
                other => panic!("unknown mode {other}"),
            };
            Asked {
                mode,
                pattern: pattern.to_string(),
            }
        })
        .collect()
}
