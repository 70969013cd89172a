"""How this platform uses Flask-AppBuilder: base classes every view inherits. Nothing of the domain lives here."""
