"""What installed packages bring by entry points: decoders and maps, and the proof that a decoder keeps its promises."""
