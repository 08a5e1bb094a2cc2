//! Options that are written once: a field is a flag, a key of the file, and what is left when both are put together.
//!
//! # What must hold
//! Whoever adds an option adds one field. Its doc is what `--help` prints and what the docs of this crate say; its name
//! with dashes is the flag and the key.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::Settings;

/// What may be set in front of something else.
pub(super) trait Layer {
    /// This where it is set, else the other.
    fn over(self, other: Self) -> Self;
}

impl<T> Layer for Option<T> {
    fn over(self, other: Self) -> Self {
        self.or(other)
    }
}

impl<T> Layer for Vec<T> {
    fn over(self, other: Self) -> Self {
        if self.is_empty() { other } else { self }
    }
}

/// A switch that is on in either is on.
impl Layer for bool {
    fn over(self, other: Self) -> Self {
        self || other
    }
}

/// Options on one topic, under one heading of `--help`. `#[arg(…)]` is clap's, `#[serde(…)]` the file's.
macro_rules! options {
    (
        $(#[doc $($doc:tt)+])*
        #[heading($heading:literal)]
        pub struct $name:ident {
            $(
                $(#[doc $($field_doc:tt)+])*
                #[arg($($arg:tt)*)]
                $(#[serde($($serde:tt)*)])?
                pub $field:ident: $type:ty,
            )*
        }
    ) => {
        $(#[doc $($doc)+])*
        #[derive(Clone, Debug, Default, serde::Deserialize)]
        #[serde(default, rename_all = "kebab-case")]
        #[cfg_attr(feature = "clap", derive(clap::Args))]
        #[cfg_attr(feature = "clap", command(next_help_heading = $heading))]
        pub struct $name {
            $(
                $(#[doc $($field_doc)+])*
                #[cfg_attr(feature = "clap", arg($($arg)*))]
                $(#[serde($($serde)*)])?
                pub $field: $type,
            )*
        }

        impl $name {
            /// The names of its fields.
            pub(super) const FIELDS: &[&str] = &[$(stringify!($field)),*];
        }

        impl $crate::settings::layer::Layer for $name {
            fn over(self, other: Self) -> Self {
                Self { $($field: self.$field.over(other.$field),)* }
            }
        }
    };
}

/// All topics: one set of flags, and one file in which no topic is named.
macro_rules! topics {
    (
        $(#[doc $($doc:tt)+])*
        pub struct $name:ident {
            $(
                $(#[doc $($field_doc:tt)+])*
                pub $field:ident: $type:ident,
            )*
        }
    ) => {
        $(#[doc $($doc)+])*
        #[derive(Clone, Debug, Default)]
        #[cfg_attr(feature = "clap", derive(clap::Args))]
        pub struct $name {
            $(
                $(#[doc $($field_doc)+])*
                #[cfg_attr(feature = "clap", command(flatten))]
                pub $field: $type,
            )*
        }

        impl $name {
            /// The keys of the file.
            fn keys() -> Vec<String> {
                let topics: &[&[&str]] = &[$($type::FIELDS),*];
                let fields = topics.iter().copied().flatten();
                fields.map(|field| field.replace('_', "-")).collect()
            }

            /// Each topic takes its keys from the whole file: an error points to its line.
            fn read(text: &str) -> Result<Self, toml::de::Error> {
                let $crate::settings::layer::KnownKeys = toml::from_str(text)?;
                Ok(Self { $($field: toml::from_str(text)?,)* })
            }
        }

        impl Layer for $name {
            fn over(self, other: Self) -> Self {
                Self { $($field: self.$field.over(other.$field),)* }
            }
        }
    };
}

pub(super) use {options, topics};

/// A file of which every key is known.
pub(super) struct KnownKeys;

impl<'de> Deserialize<'de> for KnownKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Self)
    }
}

impl<'de> Visitor<'de> for KnownKeys {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("settings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<KnownKey, IgnoredAny>()?.is_some() {}
        Ok(self)
    }
}

struct KnownKey;

impl<'de> Deserialize<'de> for KnownKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let key = String::deserialize(deserializer)?;
        let known = Settings::keys();
        if known.contains(&key) {
            return Ok(Self);
        }
        let known: Vec<String> = known.iter().map(|key| format!("`{key}`")).collect();
        Err(D::Error::custom(format!(
            "unknown key `{key}`, expected one of {}",
            known.join(", ")
        )))
    }
}
