"""Networks on Arm's Ethos-U: as `.tflite` files, which LiteRT checks and vela compiles."""
