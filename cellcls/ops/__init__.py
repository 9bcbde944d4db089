"""Pure functions that both the engine and components need. Modules that need torch import it at their top."""
