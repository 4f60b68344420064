//! Which sound devices are used: those that the application chose, or else those of its settings.

use offhook_account::{AudioSettings, SoundDevice};
use offhook_audio_mixer::{DeviceChoice, DeviceOptions};

/// What calls are spoken and heard through.
pub(crate) fn devices(chosen: Option<DeviceOptions>, settings: &AudioSettings) -> DeviceOptions {
    chosen.unwrap_or_else(|| DeviceOptions {
        input: device(&settings.input_device),
        output: device(&settings.output_device),
        ..DeviceOptions::default()
    })
}

/// What rings.
pub(crate) fn alert_device(chosen: Option<DeviceChoice>, settings: &AudioSettings) -> DeviceChoice {
    chosen.unwrap_or_else(|| device(&settings.alert_device))
}

fn device(setting: &SoundDevice) -> DeviceChoice {
    match setting {
        SoundDevice::SystemDefault => DeviceChoice::Default,
        SoundDevice::None => DeviceChoice::Off,
        SoundDevice::Named(name) => DeviceChoice::Named(name.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_application_chose_goes_before_its_settings() {
        let settings = AudioSettings {
            input_device: SoundDevice::None,
            alert_device: SoundDevice::Named("Headset".into()),
            ..AudioSettings::default()
        };
        let stored = devices(None, &settings);
        assert_eq!(
            (stored.input, stored.output),
            (DeviceChoice::Off, DeviceChoice::Default)
        );
        assert_eq!(
            alert_device(None, &settings),
            DeviceChoice::Named("Headset".into())
        );
        let chosen = DeviceOptions::default();
        assert_eq!(devices(Some(chosen.clone()), &settings), chosen);
        assert_eq!(
            alert_device(Some(DeviceChoice::Off), &settings),
            DeviceChoice::Off
        );
    }
}
