//! Named steps with their durations: what `check` and `test` are made of.

use std::time::{Duration, Instant};

use anyhow::bail;

/// Runs steps one after the other, all of them, and remembers how each went.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    finished: Vec<Finished>,
}

#[derive(Debug)]
struct Finished {
    name: &'static str,
    took: Duration,
    error: Option<String>,
}

impl Steps {
    /// Runs one step under a heading. A failure is reported and does not keep later steps from running.
    pub(crate) fn run<T>(
        &mut self,
        name: &'static str,
        step: impl FnOnce() -> anyhow::Result<T>,
    ) -> Option<T> {
        println!("\n=== {name}");
        let started = Instant::now();
        let outcome = step();
        let took = started.elapsed();
        let error = outcome.as_ref().err().map(|error| format!("{error:#}"));
        match &error {
            None => println!("--- {name}: ok in {}", seconds(took)),
            Some(error) => println!("--- {name}: FAILED in {}: {error}", seconds(took)),
        }
        self.finished.push(Finished { name, took, error });
        outcome.ok()
    }

    /// Prints the table of all steps, and fails when one did.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        println!("\n=== Summary");
        for step in &self.finished {
            let outcome = if step.error.is_none() { "ok" } else { "FAILED" };
            println!("{:>9}  {outcome:<7} {}", seconds(step.took), step.name);
        }
        let failed: Vec<&str> = self
            .finished
            .iter()
            .filter(|step| step.error.is_some())
            .map(|step| step.name)
            .collect();
        if !failed.is_empty() {
            bail!("failed: {}", failed.join(", "));
        }
        Ok(())
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_runs_and_one_failure_fails_the_whole() {
        let mut steps = Steps::default();
        assert_eq!(steps.run("first", || Ok(1)), Some(1));
        assert_eq!(
            steps.run("second", || -> anyhow::Result<()> { bail!("broken") }),
            None
        );
        assert_eq!(steps.run("third", || Ok(3)), Some(3));
        assert_eq!(steps.finish().unwrap_err().to_string(), "failed: second");
    }
}
