//! The functions and schedules of `export!`: functions that are called by name, and when some of them are due.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Error, Ident, LitStr, Path, Result, Token, bracketed, parenthesized};

use crate::handler::{optional, parse_json};

/// `[sum, crate::work::sort]`
#[derive(Default)]
pub struct Functions(Vec<Path>);

impl Parse for Functions {
    fn parse(input: ParseStream) -> Result<Self> {
        let inner;
        bracketed!(inner in input);
        let paths = Punctuated::<Path, Token![,]>::parse_terminated(&inner)?;
        let mut functions = Self::default();
        for path in paths {
            if functions.has(&last(&path)?) {
                let message = format!("two functions are named `{}`", last(&path)?);
                return Err(Error::new(path.span(), message));
            }
            functions.0.push(path);
        }
        Ok(functions)
    }
}

impl Functions {
    fn has(&self, name: &str) -> bool {
        self.0
            .iter()
            .any(|path| last(path).is_ok_and(|other| other == name))
    }

    /// The constant with their names, and the function that calls one by its name.
    pub fn into_tokens(self) -> Result<TokenStream> {
        if self.0.is_empty() {
            return Ok(TokenStream::new());
        }
        let paths = &self.0;
        let names = paths.iter().map(last).collect::<Result<Vec<_>>>()?;
        Ok(quote! {
            const FUNCTIONS: &'static [&'static str] = &[#(#names),*];

            fn call(name: &str, arguments: &[u8]) -> ::waterspout_sdk::__private::Called {
                match name {
                    #(#names => ::waterspout_sdk::__private::call(#paths, arguments),)*
                    other => ::waterspout_sdk::__private::call_nothing(other, arguments),
                }
            }
        })
    }
}

/// `[every("60s", tidy_up), cron("0 3 * * *", report, name = "nightly")]`
#[derive(Default)]
pub struct Schedules(Vec<Schedule>);

struct Schedule {
    kind: Ident,
    timing: LitStr,
    function: Path,
    name: Option<LitStr>,
    arguments: Option<String>,
    jitter: Option<LitStr>,
    time_zone: Option<LitStr>,
}

impl Parse for Schedules {
    fn parse(input: ParseStream) -> Result<Self> {
        let inner;
        bracketed!(inner in input);
        let schedules = Punctuated::<Schedule, Token![,]>::parse_terminated(&inner)?;
        Ok(Self(schedules.into_iter().collect()))
    }
}

impl Parse for Schedule {
    fn parse(input: ParseStream) -> Result<Self> {
        let kind: Ident = input.parse()?;
        if kind != "every" && kind != "cron" {
            let message =
                "a schedule is `every(\"60s\", function)` or `cron(\"0 3 * * *\", function)`";
            return Err(Error::new(kind.span(), message));
        }
        let inner;
        parenthesized!(inner in input);
        let timing = inner.parse()?;
        inner.parse::<Token![,]>()?;
        let mut schedule = Self {
            kind,
            timing,
            function: inner.parse()?,
            name: None,
            arguments: None,
            jitter: None,
            time_zone: None,
        };
        while !inner.is_empty() {
            inner.parse::<Token![,]>()?;
            if inner.is_empty() {
                break;
            }
            let key: Ident = inner.parse()?;
            inner.parse::<Token![=]>()?;
            let was_there = match key.to_string().as_str() {
                "name" => schedule.name.replace(inner.parse()?).is_some(),
                "arguments" => schedule.arguments.replace(parse_json(&inner)?).is_some(),
                "jitter" => schedule.jitter.replace(inner.parse()?).is_some(),
                "time_zone" => schedule.time_zone.replace(inner.parse()?).is_some(),
                other => {
                    let message = format!(
                        "unknown argument `{other}`: a schedule has `name`, `arguments`, `jitter` and `time_zone`"
                    );
                    return Err(Error::new(key.span(), message));
                }
            };
            if was_there {
                return Err(Error::new(key.span(), format!("`{key}` stands here twice")));
            }
        }
        Ok(schedule)
    }
}

impl Schedules {
    /// The constant with all of them. Each has to name one of `functions`.
    pub fn into_tokens(self, functions: &Functions) -> Result<TokenStream> {
        if self.0.is_empty() {
            return Ok(TokenStream::new());
        }
        let mut all = Vec::new();
        for schedule in self.0 {
            let Schedule {
                kind,
                timing,
                function: path,
                name,
                arguments,
                jitter,
                time_zone,
            } = schedule;
            let function = last(&path)?;
            if !functions.has(&function) {
                let message =
                    format!("name it among the functions, too: `functions = [{function}]`");
                return Err(Error::new(path.span(), message));
            }
            let timing = match kind == "cron" {
                true => quote!(::waterspout_sdk::__private::ScheduleTiming::Cron(#timing)),
                false => {
                    let period = nanoseconds(&timing)?;
                    quote!(::waterspout_sdk::__private::ScheduleTiming::Every(#period))
                }
            };
            let jitter = optional(jitter.as_ref().map(nanoseconds).transpose()?);
            let name = name.map_or_else(|| function.clone(), |name| name.value());
            let arguments = optional(arguments);
            let time_zone = optional(time_zone);
            all.push(quote! {
                ::waterspout_sdk::__private::Schedule {
                    name: #name,
                    timing: #timing,
                    function: #function,
                    arguments: #arguments,
                    jitter: #jitter,
                    time_zone: #time_zone,
                }
            });
        }
        Ok(quote! {
            const SCHEDULES: &'static [::waterspout_sdk::__private::Schedule] = &[#(#all),*];
        })
    }
}

/// Reads `250ms`, `10s`, `1m` or `2h`, up to a year.
fn nanoseconds(text: &LitStr) -> Result<u64> {
    const YEAR: u64 = 366 * 24 * 60 * 60 * 1_000_000_000;
    let value = text.value();
    let unit = value.trim_start_matches(|c: char| c.is_ascii_digit());
    let number = value[..value.len() - unit.len()].parse::<u64>().ok();
    let factor = match unit {
        "ms" => Some(1_000_000),
        "s" => Some(1_000_000_000),
        "m" => Some(60 * 1_000_000_000),
        "h" => Some(60 * 60 * 1_000_000_000),
        _ => None,
    };
    let duration = number
        .zip(factor)
        .and_then(|(number, factor)| number.checked_mul(factor));
    duration
        .filter(|duration| *duration <= YEAR)
        .ok_or_else(|| Error::new_spanned(text, "not a duration in ms, s, m or h, up to a year"))
}

/// The name by which a function is called: the last part of its path.
fn last(path: &Path) -> Result<String> {
    match path.segments.last() {
        Some(segment) if segment.arguments.is_none() => Ok(segment.ident.to_string()),
        _ => Err(Error::new(
            path.span(),
            "a function is named by its path, without types",
        )),
    }
}
