"""What a module gives, as torch computes it in float64, and how far what others compute is from that."""
