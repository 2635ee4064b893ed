//! What is said at one level: in a server, or around it.

use std::collections::BTreeMap;

use super::settings::Setting;
use crate::check::rules::{Place, RuleList};

/// The directive with the rules.
pub(super) const DIRECTIVE: &str = "realpeer";

/// The block that nginx knows this directive of ours in, where it is not each of them.
pub(super) fn only_in(name: &str) -> Option<&'static str> {
    Setting::from_name(name)?.only_in()
}

/// Whether nginx knows this directive from realpeer's modules.
pub(super) fn is_ours(name: &str) -> bool {
    name == DIRECTIVE || Setting::from_name(name).is_some()
}

#[derive(Debug, Clone, Default)]
pub(super) struct Level {
    pub(super) rules: RuleList,
    off: Option<Place>,
    /// The other directives, with what they mean and how that was written.
    settings: BTreeMap<Setting, (u64, String)>,
    /// Of the first directive.
    pub(super) place: Option<Place>,
    /// What nginx would warn of, rules apart.
    warnings: Vec<String>,
}

impl Level {
    /// Takes a directive of ours.
    pub(super) fn add(&mut self, name: &str, args: &[String], place: &Place) -> Result<(), String> {
        match Setting::from_name(name) {
            Some(setting) => self.set(setting, args, place)?,
            None => self.rule(args, place)?,
        }
        self.place.get_or_insert(place.clone());
        Ok(())
    }

    fn set(&mut self, setting: Setting, args: &[String], place: &Place) -> Result<(), String> {
        let name = setting.name();
        let value = setting.value(args).map_err(|error| format!("{place}: \"{name}\": {error}"))?;
        if self.settings.insert(setting, (value, args.join(" "))).is_some() {
            return Err(format!("{place}: \"{name}\" is stated twice"));
        }
        let warning = setting.warning(value);
        self.warnings.extend(warning.map(|warning| format!("{place}: \"{name}\" {warning}")));
        Ok(())
    }

    fn rule(&mut self, args: &[String], place: &Place) -> Result<(), String> {
        let is_off = args.first().is_some_and(|word| word == "off");
        if is_off && args.len() > 1 {
            return Err(format!("{place}: \"{DIRECTIVE} off\" takes no source"));
        }
        let contradicts = match is_off {
            true => self.rules.place().or(self.off.as_ref()),
            false => self.off.as_ref(),
        };
        if let Some(other) = contradicts {
            return Err(format!(
                "{place}: \"{DIRECTIVE} off\" does not go together with {other}; remove one of \
                 them"
            ));
        }
        match is_off {
            true => self.off = Some(place.clone()),
            false => self.rules.add(args, place)?,
        }
        Ok(())
    }

    /// What holds in a server that says this within `outer`.
    pub(super) fn within(&self, outer: &Level) -> Level {
        let mut level = self.clone();
        if self.rules.is_empty() && self.off.is_none() {
            level.rules = outer.rules.clone();
        }
        for (setting, value) in &outer.settings {
            level.settings.entry(*setting).or_insert_with(|| value.clone());
        }
        level
    }

    /// What nginx would warn of when it reads this.
    pub(super) fn warnings(&self) -> impl Iterator<Item = String> {
        self.rules.warnings.iter().chain(&self.warnings).cloned()
    }

    /// What nginx would warn of where a server says this, and `merged` holds in it.
    pub(super) fn without_effect(&self, merged: &Level) -> Option<String> {
        let place = self.place.as_ref()?;
        (self.off.is_none() && merged.rules.is_empty()).then(|| {
            format!(
                "{place}: this has no effect without \"{DIRECTIVE}\" itself, which says who may \
                 send the header"
            )
        })
    }

    /// The settings as they were written.
    pub(super) fn settings(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.settings.iter().map(|(setting, (_, text))| (setting.name(), text.as_str()))
    }

    fn value(&self, setting: Setting) -> u64 {
        self.settings.get(&setting).map_or(setting.default(), |(value, _)| *value)
    }

    /// Whether two levels treat every connection alike.
    pub(super) fn treats_alike(&self, other: &Level) -> bool {
        match (self.rules.is_empty(), other.rules.is_empty()) {
            (false, false) => {
                self.rules.same(&other.rules)
                    && Setting::ALL.iter().all(|it| self.value(*it) == other.value(*it))
            }
            (one, two) => one == two,
        }
    }
}
