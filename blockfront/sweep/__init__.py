"""The sweep: sample networks, profile them, train them, and keep all of it in one resumable study."""
