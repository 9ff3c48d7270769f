//! Attacks on the next run, and on the one beside it.

use pentad_sandbox::{Discard, Job, Language};

use crate::harness::Ground;

/// What one run leaves behind, another must not find.
pub(crate) fn check(ground: &Ground) {
    nothing_passes_to_the_next_run(ground);
    no_two_interpreters_are_alike(ground);
    two_at_a_time_do_not_meet(ground);
}

fn python(ground: &Ground, code: &str) -> String {
    let outcome = ground
        .executor
        .execute(Job::new(Language::Python, code), &mut Discard)
        .expect("a run");
    assert_eq!(outcome.exit_code, 0, "{}", outcome.stderr.text);
    outcome.stdout.text
}

fn nothing_passes_to_the_next_run(ground: &Ground) {
    let leave = "import builtins, os, sys, subprocess\n\
                 open('/tmp/left', 'w').write('1'); open('left', 'w').write('1'); os.environ['LEFT'] = '1'\n\
                 builtins.left = 1; sys.path.append('left'); subprocess.Popen(['/bin/sleep', '1000'])\n";
    let look = "import builtins, os, sys\n\
                found = [os.path.exists('/tmp/left'), os.path.exists('left'), 'LEFT' in os.environ, hasattr(builtins, 'left'), 'left' in sys.path]\n\
                found.append(any('sleep' in open(f'/proc/{p}/cmdline').read() for p in os.listdir('/proc') if p.isdigit() and p != '1'))\n\
                print(found)\n";
    for _ in 0..4 {
        python(ground, leave);
        assert_eq!(
            python(ground, look),
            "[False, False, False, False, False, False]\n"
        );
    }
}

/// Interpreters that wait were started one by one: no common hash seed, no common layout of memory.
fn no_two_interpreters_are_alike(ground: &Ground) {
    let code = "import ctypes, random\nprint(hash('seed'), ctypes.addressof(ctypes.c_int()), id(object()), random.random())\n";
    let said: Vec<_> = (0..4).map(|_| python(ground, code)).collect();
    for column in 0..4 {
        let mut values: Vec<_> = said
            .iter()
            .map(|line| line.split_whitespace().nth(column))
            .collect();
        values.sort_unstable();
        values.dedup();
        assert!(
            values.len() > 1,
            "column {column} is the same in every run: {said:?}"
        );
    }
}

fn two_at_a_time_do_not_meet(ground: &Ground) {
    let code = "import os, socket, time\n\
                s = socket.socket(socket.AF_UNIX); s.bind('\\0meeting'); s.listen(); t = socket.socket(); t.bind(('127.0.0.1', 4444)); t.listen()\n\
                open('/tmp/meeting', 'x').close(); open('meeting', 'x').close(); time.sleep(0.3)\n\
                print(len([p for p in os.listdir('/proc') if p.isdigit()]))\n";
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..4).map(|_| scope.spawn(|| python(ground, code))).collect();
        for run in runs {
            assert_eq!(run.join().expect("a run"), "2\n");
        }
    });
}
