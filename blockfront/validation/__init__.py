"""How well latencies are predicted: against published times of boards, and against this machine."""
