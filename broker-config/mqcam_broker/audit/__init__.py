"""What a broker lets people do who should not: tried out, and judged by what is delivered."""
