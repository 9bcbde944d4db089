"""Pure functions shared by the engine and components. Modules that need torch import it at the top."""
