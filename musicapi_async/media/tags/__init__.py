"""Tags in audio files: titles, lyrics with their times, covers, and the ids of the service."""
