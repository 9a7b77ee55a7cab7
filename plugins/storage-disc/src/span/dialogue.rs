//! Questions and answers.

use hayloft_plugin_api::{Error, Host, Result};

/// Talks with whoever sits at the keyboard; or, if all questions are answered
/// beforehand, only tells.
#[derive(Debug, Clone, Copy)]
pub struct Dialogue<'a> {
    /// The host.
    pub host: &'a Host,
    /// Every question gets the answer that it suggests.
    pub agreed: bool,
}

impl Dialogue<'_> {
    /// Tells something, a line or several.
    ///
    /// # Errors
    ///
    /// If nobody listens.
    pub fn say(&self, text: &str) -> Result<()> {
        self.host.print(format!("{text}\n"))
    }

    /// Asks for yes or no; an empty answer is what is suggested.
    ///
    /// # Errors
    ///
    /// If there is no answer: the input has ended.
    pub fn agree(&self, question: &str, suggested: bool) -> Result<bool> {
        let choices = if suggested { "[Y/n]" } else { "[y/N]" };
        let answer = self.ask(&format!("{question} {choices}: "))?;
        Ok(answer.chars().next().map_or(suggested, |it| matches!(it, 'Y' | 'y')))
    }

    /// Asks for one of some words, until it is one.
    ///
    /// # Errors
    ///
    /// As [`Dialogue::agree`].
    pub fn choose(&self, question: &str, suggested: &str, words: &[&str]) -> Result<String> {
        loop {
            let answer = self.ask(&format!("{question} [{suggested}]: "))?;
            let answer = if answer.is_empty() { suggested.to_owned() } else { answer };
            if words.contains(&answer.as_str()) {
                return Ok(answer);
            }
            self.say(&format!("Please answer one of {}.", words.join(", ")))?;
        }
    }

    /// Asks for a percentage, until it is one.
    ///
    /// # Errors
    ///
    /// As [`Dialogue::agree`].
    pub fn percentage(&self, question: &str, suggested: f64) -> Result<f64> {
        loop {
            let answer = self.ask(&format!("{question} [{suggested:.2}]: "))?;
            match percentage(&answer) {
                _ if answer.is_empty() => return Ok(suggested),
                Some(number) => return Ok(number),
                None => self.say("Please enter a number from 0 to less than 100.")?,
            }
        }
    }

    /// Waits until the user has done something.
    ///
    /// # Errors
    ///
    /// As [`Dialogue::agree`].
    pub fn wait(&self, what: &str) -> Result<()> {
        self.ask(&format!("{what}\nPress return when ready. ")).map(drop)
    }

    fn ask(&self, question: &str) -> Result<String> {
        if self.agreed {
            return Ok(String::new());
        }
        let answer = self.host.ask(question)?;
        answer.map(|it| it.trim().to_owned()).ok_or_else(|| {
            let question = question.lines().next().unwrap_or_default().trim();
            Error::msg(format!("the input has ended at the question: {question}"))
                .hint("nothing was marked as stored; --yes answers with what is suggested")
        })
    }
}

/// Reads a percentage that leaves something.
pub fn percentage(text: &str) -> Option<f64> {
    text.trim().parse::<f64>().ok().filter(|it| (0.0..100.0).contains(it))
}

#[cfg(test)]
mod tests {
    use hayloft_plugin_api::conformance::TestHost;

    use super::*;

    #[test]
    fn answers_are_taken_as_they_are_meant() {
        let answers = ["", "y", "Yes", "n", "whatever", "x", "best", "", "half", "100", "2.5", ""];
        let test = TestHost::new().unwrap().with_answers(answers);
        let host = test.host();
        let dialogue = Dialogue { host: &host, agreed: false };
        assert!(dialogue.agree("?", true).unwrap());
        assert!(dialogue.agree("?", false).unwrap());
        assert!(dialogue.agree("?", false).unwrap());
        assert!(!dialogue.agree("?", true).unwrap());
        assert!(!dialogue.agree("?", true).unwrap());
        assert_eq!(dialogue.choose("?", "worst", &["best", "worst"]).unwrap(), "best");
        assert_eq!(dialogue.choose("?", "worst", &["best", "worst"]).unwrap(), "worst");
        assert!((dialogue.percentage("?", 4.5).unwrap() - 2.5).abs() < f64::EPSILON);
        dialogue.wait("Wait.").unwrap();
        let error = dialogue.agree("Go on?", true).unwrap_err().to_string();
        assert!(error.contains("the input has ended at the question: Go on? [Y/n]:"), "{error}");
        assert!(Dialogue { agreed: true, ..dialogue }.agree("Go on?", true).unwrap());
    }
}
