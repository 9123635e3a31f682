import HTTPFace

/// The page of the mesh by path. Its sources stand in `Page/`, and are compiled in by the package description: what is served is
/// what stands there.
enum PageFiles {
    static let all: [String: PageFile] = [
        "/": PageFile(.html, PackageResources.index_html),
        "/page/icon.svg": PageFile(.image, PackageResources.icon_svg),
        "/page/page.css": PageFile(.styles, PackageResources.page_css),
        "/page/tables.css": PageFile(.styles, PackageResources.tables_css),
        "/page/main.js": PageFile(.script, PackageResources.main_js),
        "/page/feed.js": PageFile(.script, PackageResources.feed_js),
        "/page/text.js": PageFile(.script, PackageResources.text_js),
        "/page/plot.js": PageFile(.script, PackageResources.plot_js),
        "/page/table.js": PageFile(.script, PackageResources.table_js),
        "/page/lists.js": PageFile(.script, PackageResources.lists_js),
        "/page/summary.js": PageFile(.script, PackageResources.summary_js),
        "/page/details.js": PageFile(.script, PackageResources.details_js),
    ]
}
