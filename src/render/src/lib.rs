//! Values to text, SVG and HTML: charts, dashboards, mails.
