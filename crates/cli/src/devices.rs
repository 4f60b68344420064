//! `offhook devices`

use crate::args::DevicesArgs;
use crate::exit::{Code, Failure};
use offhook::{DeviceInfo, KNOWS_CARDS, sound_devices};
use serde_json::json;
use std::fmt::Write as _;
use std::io::Write;

/// Lists what `--input-device` and `--output-device` take.
pub(crate) fn run(args: &DevicesArgs) -> Result<(), Failure> {
    let devices = sound_devices().map_err(|error| Failure::new(Code::Device, error))?;
    let lines: String = devices.iter().fold(String::new(), |mut lines, device| {
        let line = if args.json {
            as_json(device)
        } else {
            as_sentence(device)
        };
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "{line}");
        lines
    });
    let mut out = std::io::stdout().lock();
    let printed = out.write_all(lines.as_bytes()).and_then(|()| out.flush());
    printed.map_err(|error| Failure::new(Code::Internal, format_args!("cannot print: {error}")))?;
    if devices.is_empty() && !args.json {
        let why = if KNOWS_CARDS {
            "There is no sound device"
        } else {
            "This program was built without sound cards and knows none"
        };
        let _ = writeln!(std::io::stderr(), "{why}; files and null can be used.");
    }
    Ok(())
}

fn as_json(device: &DeviceInfo) -> String {
    json!({
        "name": device.name,
        "input": device.input,
        "output": device.output,
        "input_rates": device.input_rates,
        "output_rates": device.output_rates,
    })
    .to_string()
}

fn as_sentence(device: &DeviceInfo) -> String {
    let side = |there: bool, what: &str, rates: &[u32]| {
        let rates: Vec<_> = rates.iter().map(ToString::to_string).collect();
        match (there, rates.is_empty()) {
            (false, _) => String::new(),
            (true, true) => format!("; {what}: cannot be opened now"),
            (true, false) => format!("; {what}: {} Hz", rates.join(", ")),
        }
    };
    format!(
        "{}{}{}",
        device.name,
        side(device.input, "input", &device.input_rates),
        side(device.output, "output", &device.output_rates)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_one_line() {
        let mut device = DeviceInfo::default();
        device.name = "card".to_owned();
        assert_eq!(as_sentence(&device), "card");
        (device.input, device.output) = (true, true);
        device.output_rates = vec![8_000, 48_000];
        assert_eq!(
            as_sentence(&device),
            "card; input: cannot be opened now; output: 8000, 48000 Hz"
        );
        let json: serde_json::Value = serde_json::from_str(&as_json(&device)).expect("JSON");
        assert_eq!(json["output_rates"][1], 48_000);
    }
}
