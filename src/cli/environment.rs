//! The environment of the project in which something is run.

pub use formulac::Environment;
use formulac::Project;
use formulac::diag::suggest;

use super::args::Global;
use super::exit::{Exit, Failure};

/// `--env`, else `FORMULAC_ENV`, else the first that is not protected.
pub fn chosen(global: &Global, project: &Project) -> Result<Option<Environment>, Failure> {
    let told = global.env.clone().or_else(|| std::env::var("FORMULAC_ENV").ok().filter(|name| !name.is_empty()));
    let Some(name) = told else {
        return Ok(project.environments().iter().find(|environment| !environment.protected).cloned());
    };
    let found = project.environments().iter().find(|environment| environment.name == name);
    found.cloned().map(Some).ok_or_else(|| {
        let names = project.environments().iter().map(|environment| environment.name.as_str());
        let help = match suggest::nearest(&name, names) {
            Some(near) => suggest::similar(near),
            None => "add it to `environments:` in formulac.yml".to_owned(),
        };
        Failure::new(Exit::Usage, format!("there is no environment `{name}`")).with_help(help)
    })
}
