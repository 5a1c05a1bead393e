//! What a user is told about a fault of native code: what the interpreter would say.

use tracelift_codegen::driver::{Fault as Record, FaultCode};
use tracelift_kernel::fault::Fault;
use tracelift_kernel::program::{Check, Program, Step};
use tracelift_tensor::{Error, Result};

/// Status and fault of a run as a result.
pub(super) fn outcome(program: &Program, record: &Record, status: i32) -> Result {
    let fault = match FaultCode::from_status(status) {
        FaultCode::None => return Ok(()),
        FaultCode::DivideByZero => Fault::DivideByZero,
        FaultCode::OutOfBounds => Fault::OutOfBounds {
            position: usize::try_from(record.position).ok(),
            index: record.index,
            bound: record.bound,
        },
        FaultCode::Assertion => Fault::Assertion { message: assertion(program, record.site).to_string() },
        FaultCode::Cancelled => return Err(Error::cancelled(format!("`{}` was stopped", program.name))),
        FaultCode::OutOfMemory if record.bound > 0 => {
            let (name, wanted, limit) = (&program.name, record.index, record.bound);
            let message = format!("`{name}` needs {wanted} bytes for this call, more than the limit of {limit}");
            return Err(Error::out_of_memory(message)
                .help("raise `max_bytes` in the options, or let the loop run for fewer iterations"));
        }
        FaultCode::OutOfMemory => return Err(Error::out_of_memory(format!("`{}` ran out of memory", program.name))),
        FaultCode::Internal => {
            return Err(Error::internal(format!("a helper of `{}` failed with status {status}", program.name)));
        }
    };
    let site = usize::try_from(record.site).ok().and_then(|site| program.sites.get(site));
    Err(fault.error(site))
}

/// What the assertion of a site says.
fn assertion(program: &Program, site: i32) -> &str {
    let mut said = "assertion failed";
    program.for_each_step(&mut |step| {
        if let Step::Check { check, site: at } = step
            && let Check::Assert { message, .. } | Check::AssertAll { message, .. } = check
            && at.0 as i32 == site
        {
            said = message;
        }
    });
    said
}
