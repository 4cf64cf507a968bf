//! Enums whose variants users name.

/// Gives an enum `ALL`, `name`, and by the names `Display` and `FromStr`. Variants after the list have a
/// name that users cannot choose.
macro_rules! impl_names {
    ($type:ident, $what:literal, [$($variant:ident = $name:literal),+ $(,)?] $(, $hidden:ident = $hidden_name:literal)*) => {
        impl $type {
            /// All that a user may name, in the order in which they are documented.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$variant),+];

            /// The name on the command line and in logs.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                    $(Self::$hidden => $hidden_name,)*
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl std::str::FromStr for $type {
            type Err = crate::Error;

            fn from_str(name: &str) -> crate::Result<Self> {
                let known = Self::ALL.into_iter().find(|known| known.name() == name);
                known.ok_or_else(|| {
                    let known = [$($name),+].join(", ");
                    crate::Error::UnknownName { what: $what, name: name.into(), known }
                })
            }
        }
    };
}

pub(crate) use impl_names;
