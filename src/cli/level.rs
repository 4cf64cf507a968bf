//! How much time compressing may take: `-1` to `-9`.

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches};
use surprisal::Level;

/// The levels with a line of their own in the help.
const HELP: [(u8, &str); 4] = [
    (1, "Fastest: the pico models, for natural lines the tiny one"),
    (
        3,
        "Between: the lite models, for natural lines the tiny one (so does -2)",
    ),
    (6, "The default: the tiny models (so do -4 to -8)"),
    (
        9,
        "Smallest: nano for uniform lines, at a third of the speed; else the tiny models",
    ),
];

/// The names of the arguments, by level. There is no level 0; -0 is known so that it can be refused with
/// a word on what there is.
const NAMES: [&str; 10] = ["l0", "l1", "l2", "l3", "l4", "l5", "l6", "l7", "l8", "l9"];

/// The option that chooses between speed and size.
pub struct LevelOption(Level);

impl LevelOption {
    /// The level that was asked for, or the default.
    pub fn level(&self) -> Level {
        self.0
    }
}

impl clap::Args for LevelOption {
    fn augment_args(command: Command) -> Command {
        command.args((0..).zip(NAMES).map(|(level, name)| {
            let arg = Arg::new(name).action(ArgAction::SetTrue);
            let arg = arg.short(char::from(b'0' + level));
            let arg = match level {
                1 => arg.long("fast"),
                9 => arg.long("best"),
                _ => arg,
            };
            let arg = arg.conflicts_with_all(["model", "learn"]);
            match HELP.iter().find(|(of, _)| *of == level) {
                Some((_, help)) => arg.help(*help),
                None => arg.hide(true),
            }
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for LevelOption {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given: Vec<u8> = (0..)
            .zip(NAMES)
            .filter(|(_, name)| matches.get_flag(name))
            .map(|(level, _)| level)
            .collect();
        let level = match given[..] {
            [] => Some(Level::default()),
            [level] => Level::new(level).ok(),
            _ => None,
        };
        let wrong = || {
            let what = "a level is one of -1 (fastest) to -9 (smallest)";
            clap::Error::raw(ErrorKind::ArgumentConflict, what)
        };
        level.map(Self).ok_or_else(wrong)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
