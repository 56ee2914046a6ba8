//! `tollgate completion | man-pages`: the completion scripts and man pages, generated from the command line's definition.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::roff::{Roff, bold, roman};
use serde_json::json;

use super::Cli;
use crate::commands::answer::{Answer, Failure, Outcome};

/// The program's name in scripts and pages.
const PROGRAM: &str = "tollgate";

/// `tollgate completion …`
#[derive(Clone, Copy, Debug, Args)]
pub struct CompletionArgs {
    /// Shell to generate the script for
    pub shell: Shell,
}

/// `tollgate man-pages …`
#[derive(Debug, Args)]
pub struct ManPagesArgs {
    /// Existing folder to write the pages to
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
}

/// Generates the script that completes commands and options in a shell.
pub fn completion(args: CompletionArgs) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), PROGRAM, &mut script);
    let script = String::from_utf8(script).map_err(|e| Failure::new("completion", e.to_string()))?;
    Ok(Answer::new(json!({ "shell": args.shell.to_string(), "script": script }), script.trim_end()))
}

/// Writes one page for the program and one for each command, `tollgate.1` and `tollgate-COMMAND.1`.
pub fn man_pages(args: &ManPagesArgs) -> Outcome {
    let failed =
        |e: io::Error| Failure::new("man_pages", format!("{} cannot be written: {e}", args.dir.display()));
    write_pages(&args.dir).map_err(failed)?;
    let pages = fs::read_dir(&args.dir).map_err(failed)?.count();
    Ok(Answer::new(json!({ "pages": pages }), format!("{pages} pages in {}", args.dir.display())))
}

fn write_pages(dir: &Path) -> io::Result<()> {
    clap_mangen::generate_to(Cli::command(), dir)?;
    let mut page = OpenOptions::new().append(true).open(dir.join(format!("{PROGRAM}.1")))?;
    further_sections().to_writer(&mut page)
}

/// Sections that the definition of the command line does not contain.
fn further_sections() -> Roff {
    let mut page = Roff::new();
    let mut section = |title: &str, entries: &[(&str, &str)]| {
        page.control("SH", [title]);
        for (term, meaning) in entries {
            page.control("TP", []);
            page.text([bold(*term)]);
            page.text([roman(*meaning)]);
        }
    };
    section(
        "EXIT STATUS",
        &[
            ("0", "Success."),
            (
                "1",
                "The command was refused or failed; a server ended with an error and can be started again.",
            ),
            ("2", "Wrong usage of the command line."),
            (
                "78",
                "The configuration cannot be used: wrong, unreadable, or readable by every user although it holds \
                 secrets. For serve also: it does not fit the database, or its TLS certificate cannot be used. Starting \
                 it again does not help.",
            ),
        ],
    );
    section(
        "ENVIRONMENT",
        &[(
            "TOLLGATE_SECTION__KEY",
            "Overrides a key of the configuration file; text as it is, all else as TOML.",
        )],
    );
    section(
        "FILES",
        &[
            ("/etc/tollgate/tollgate.toml", "Configuration of the service."),
            (
                "/etc/tollgate/environment",
                "Environment of the service, for secrets: TOLLGATE_SECTION__KEY=value, a line each; may be missing.",
            ),
            ("/var/lib/tollgate", "State of the service: database, key file, spool."),
            ("/usr/share/doc/tollgate", "Documents, sample decks and a configuration of Asterisk."),
        ],
    );
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(shell: Shell) -> String {
        completion(CompletionArgs { shell }).unwrap().text
    }

    /// Collects the names of a command's pages: its own and those of its subcommands.
    fn pages_of(command: &clap::Command, name: &str, pages: &mut Vec<String>) {
        pages.push(format!("{name}.1"));
        for below in command.get_subcommands() {
            pages_of(below, &format!("{name}-{}", below.get_name()), pages);
        }
    }

    #[test]
    fn every_command_has_a_man_page_and_no_page_is_left_over() {
        let dir = tempfile::tempdir().unwrap();
        let answer = man_pages(&ManPagesArgs { dir: dir.path().to_owned() }).unwrap();
        let mut expected = Vec::new();
        pages_of(&Cli::command(), PROGRAM, &mut expected);
        expected.sort_unstable();
        let found = fs::read_dir(dir.path()).unwrap();
        let mut found: Vec<_> =
            found.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        found.sort_unstable();
        assert_eq!(found, expected);
        assert_eq!(answer.json["pages"], expected.len());
        let page = fs::read_to_string(dir.path().join("tollgate-account-show.1")).unwrap();
        assert!(page.contains("tollgate account show"), "{page}");
    }

    #[test]
    fn the_main_man_page_lists_exit_statuses_and_files() {
        let dir = tempfile::tempdir().unwrap();
        write_pages(dir.path()).unwrap();
        let page = fs::read_to_string(dir.path().join("tollgate.1")).unwrap();
        for expected in [
            ".SH \"EXIT STATUS\"",
            &crate::commands::answer::UNUSABLE_CONFIG.to_string(),
            ".SH ENVIRONMENT",
            ".SH FILES",
            "tollgate\\-doctor(1)",
        ] {
            assert!(page.contains(expected), "{expected}: {page}");
        }
    }

    #[test]
    fn completion_scripts_know_every_command() {
        for shell in [Shell::Bash, Shell::Zsh] {
            let script = script(shell);
            for command in Cli::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
            }
        }
        assert!(script(Shell::Zsh).starts_with("#compdef tollgate\n"));
        assert!(script(Shell::Bash).contains("complete -F _tollgate"));
    }

    #[test]
    fn a_folder_that_is_missing_is_named() {
        let failure = man_pages(&ManPagesArgs { dir: PathBuf::from("no-such-folder") }).unwrap_err();
        assert!(failure.message.contains("no-such-folder"), "{}", failure.message);
    }
}
