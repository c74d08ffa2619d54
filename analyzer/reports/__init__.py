"""An analysis as JSON, HTML, figures, data frames and OpenMetrics."""
