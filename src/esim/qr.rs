//! Activation codes as QR codes.

use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};

/// The least side of the picture, in its own units.
const SIDE: u32 = 320;

/// A text as a QR code, SVG; none where it is too long for one.
pub fn svg(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    Some(code.render::<svg::Color<'_>>().min_dimensions(SIDE, SIDE).quiet_zone(true).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_activation_code_is_a_picture_and_each_is_another() {
        let one = svg("LPA:1$rsp-eu.redteamobile.com$451F9802E6").unwrap();
        assert!(one.contains("<svg") && one.contains("</svg>"));
        assert_ne!(one, svg("LPA:1$rsp-eu.redteamobile.com$451F9802E7").unwrap());
        assert_eq!(svg(&"x".repeat(5_000)), None);
    }
}
