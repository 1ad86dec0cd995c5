"""Networks on an encoder that others have trained before: of this package, of timm, of smp, or of another package."""
