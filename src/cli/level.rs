//! How much time compressing may take: `-1` to `-9`.

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches};
use surprisal::Level;

/// By level: the argument's name, and its line in the help. There is no level 0; `-0` is known so that
/// it can be refused with a word on what there is.
const LEVELS: [(&str, &str); 10] = [
    ("l0", ""),
    ("fast", "Fastest: the pico models, for natural lines the tiny one"),
    ("l2", ""),
    ("l3", "Between: the lite models, for natural lines the tiny one (so does -2)"),
    ("l4", ""),
    ("l5", ""),
    ("l6", "The default: the tiny models (so do -4 to -8)"),
    ("l7", ""),
    ("l8", ""),
    ("best", "Smallest: nano for uniform lines, at a third of the speed; else the tiny models"),
];

/// The option that chooses between speed and size.
pub struct LevelOption(pub Level);

impl clap::Args for LevelOption {
    fn augment_args(command: Command) -> Command {
        command.args((b'0'..).zip(LEVELS).map(|(digit, (name, help))| {
            let arg = Arg::new(name).short(char::from(digit)).action(ArgAction::SetTrue);
            let arg = arg.help(help).hide(help.is_empty()).conflicts_with_all(["model", "learn"]);
            if name.starts_with('l') { arg } else { arg.long(name) }
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for LevelOption {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = (0..).zip(LEVELS).filter(|(_, (name, _))| matches.get_flag(name));
        let given: Vec<u8> = given.map(|(level, _)| level).collect();
        let level = match given[..] {
            [] => Ok(Level::default()),
            [level] => Level::new(level),
            _ => Level::new(0),
        };
        let what = "a level is one of -1 (fastest) to -9 (smallest)";
        level.map(Self).map_err(|_| clap::Error::raw(ErrorKind::ArgumentConflict, what))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
