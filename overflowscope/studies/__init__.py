"""The questions people ask; each composes the stages."""
