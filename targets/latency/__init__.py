"""What a program takes on hardware: measured, predicted from its code, or simulated."""
